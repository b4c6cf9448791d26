#include "tools/program_path.hpp"

namespace mxrmq::test {

const char* program() noexcept { return MXRMQ_PROGRAM; }

}  // namespace mxrmq::test
