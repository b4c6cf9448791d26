#pragma once

namespace mxrmq::test {

/// Where the program lies.
const char* program() noexcept;

}  // namespace mxrmq::test
