#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}  // namespace CLI

namespace mxrmq {

/// What `--help` knows of an option.
struct OptionHelp {
  std::vector<std::string> names;  ///< "-o", "--output"; of a positional one its name, "TOPIC"
  std::string text;
  std::vector<std::string> choices;  ///< if it takes only these
  bool positional = false;
  bool takes_value = false;
  bool required = false;
};

/// A command, and those below it.
struct CommandHelp {
  std::string name;
  std::string text;
  std::vector<OptionHelp> options;
  std::vector<CommandHelp> commands;
};

/// All that the program can do, as its parser knows it: so neither completion nor manual can be
/// behind it.
[[nodiscard]] CommandHelp read_commands(const CLI::App& app);

}  // namespace mxrmq
