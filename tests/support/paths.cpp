#include "support/paths.hpp"

namespace mx_rmq::test {

namespace {
std::string below(const char* directory, std::string_view name) {
  return std::string(directory) + "/" + std::string(name);
}
}  // namespace

std::string source_path(std::string_view relative) { return below(MX_RMQ_SOURCE_DIR, relative); }
std::string test_program(std::string_view name) { return below(MX_RMQ_TEST_PROGRAMS, name); }
std::string fault_program(std::string_view name) { return below(MX_RMQ_FAULT_PROGRAMS, name); }

}  // namespace mx_rmq::test
