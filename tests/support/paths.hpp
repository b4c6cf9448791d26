#pragma once

#include <string>
#include <string_view>

namespace mx_rmq::test {

// Where things lie on this machine. One source alone is compiled with these paths, so that the
// objects of all others are the same wherever the checkout lies, and a compiler cache finds them
// again.

/// A file of the source tree, named from its root: "lua/claim.lua".
std::string source_path(std::string_view relative);
/// A program of tests/programs, by its name.
std::string test_program(std::string_view name);
/// A program of tests/faults/programs or a library of tests/faults/preload, by its file's name.
std::string fault_program(std::string_view name);

}  // namespace mx_rmq::test
