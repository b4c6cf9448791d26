#pragma once

#include <string>

#include "command_tree.hpp"

namespace mxrmq {

/// What completes the words of a command line, to be read by a shell at its start. Names of topics
/// are asked of Redis when they are wanted, for a second at most.
[[nodiscard]] std::string bash_completion(const CommandHelp& program);
[[nodiscard]] std::string zsh_completion(const CommandHelp& program);
[[nodiscard]] std::string fish_completion(const CommandHelp& program);

}  // namespace mxrmq
