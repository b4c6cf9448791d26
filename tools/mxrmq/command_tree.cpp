#include "command_tree.hpp"

#include <CLI/CLI.hpp>

namespace mxrmq {

namespace {

// "TEXT:{table,json,jsonl,tsv}" is how the parser names a choice.
std::vector<std::string> choices_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const std::size_t begin = type.find('{');
  std::vector<std::string> choices;
  if (begin == std::string::npos) return choices;
  std::string word;
  for (const char c : type.substr(begin + 1)) {
    if (c == ',' || c == '}') {
      choices.push_back(std::move(word));
      word.clear();
      if (c == '}') break;
    } else {
      word += c;
    }
  }
  return choices;
}

OptionHelp read_option(const CLI::Option& option) {
  OptionHelp help;
  help.positional = option.get_positional();
  if (help.positional) help.names.push_back(option.get_name(true));
  for (const std::string& name : option.get_snames()) help.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) help.names.push_back("--" + name);
  help.text = option.get_description();
  help.choices = choices_of(option);
  help.takes_value = option.get_items_expected_max() > 0;
  help.required = option.get_required();
  return help;
}

}  // namespace

CommandHelp read_commands(const CLI::App& app) {
  CommandHelp help;
  help.name = app.get_name();
  help.text = app.get_description();
  for (const CLI::Option* const option : app.get_options()) {
    // All commands have --help: it is said once, of the program.
    if (option != app.get_help_ptr() || app.get_parent() == nullptr)
      help.options.push_back(read_option(*option));
  }
  for (const CLI::App* const command : app.get_subcommands(nullptr))
    help.commands.push_back(read_commands(*command));
  return help;
}

}  // namespace mxrmq
