#include "completion.hpp"

#include <algorithm>
#include <functional>
#include <sstream>

namespace mxrmq {

namespace {

using Visit = std::function<void(const std::string& path, const CommandHelp& command)>;

// Each command with the words that lead to it ("dead requeue"); the program itself with none.
void walk(const CommandHelp& command, const std::string& path, const Visit& visit) {
  visit(path, command);
  for (const CommandHelp& each : command.commands)
    walk(each, path.empty() ? each.name : path + " " + each.name, visit);
}

bool takes_topics(const CommandHelp& command) {
  return std::ranges::any_of(command.options, [](const OptionHelp& each) {
    return each.positional && each.names.front() == "TOPIC";
  });
}

// For a place between single quotes.
std::string quotable(std::string text) {
  std::string out;
  for (const char c : text) out += c == '\'' ? "'\\''" : std::string(1, c);
  return out;
}

std::string names_of(const std::vector<OptionHelp>& options) {
  std::string words;
  for (const OptionHelp& each : options) {
    if (each.positional) continue;
    for (const std::string& name : each.names) words += name + " ";
  }
  return words;
}

std::string words_of(const CommandHelp& command) {
  std::string words;
  for (const CommandHelp& each : command.commands) words += each.name + " ";
  return words + names_of(command.options);
}

constexpr const char* ask_topics =
    "mxrmq topics -o tsv --timeout 1s 2>/dev/null | tail -n +2 | cut -f1";

}  // namespace

std::string bash_completion(const CommandHelp& program) {
  std::string cases;
  std::string commands;
  const std::string global = names_of(program.options);
  walk(program, "", [&](const std::string& path, const CommandHelp& command) {
    cases += "    '" + path + "') words='" + words_of(command) + (path.empty() ? "" : global) +
             "'" + (takes_topics(command) ? " topics=yes" : "") + " ;;\n";
    if (!path.empty()) commands += " '" + path + "'";
  });
  std::string choices;
  for (const OptionHelp& each : program.options) {
    if (each.choices.empty()) continue;
    std::string names;
    for (const std::string& name : each.names) names += (names.empty() ? "" : "|") + name;
    choices += "    " + names + ") COMPREPLY=($(compgen -W '";
    for (const std::string& choice : each.choices) choices += choice + " ";
    choices += "' -- \"$word\")); return ;;\n";
  }
  return "# bash completion of mxrmq; in ~/.bashrc: source <(mxrmq completion bash)\n"
         "_mxrmq() {\n"
         "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
         "  local path= each topics= words= i\n"
         "  local -a commands=(" +
         commands +
         " )\n"
         "  for ((i = 1; i < COMP_CWORD; ++i)); do\n"
         "    for each in \"${commands[@]}\"; do\n"
         "      if [[ \"${path:+$path }${COMP_WORDS[i]}\" == \"$each\" ]]; then path=$each; break; "
         "fi\n"
         "    done\n"
         "  done\n"
         "  case $before in\n" +
         choices +
         "  esac\n"
         "  case $path in\n" +
         cases +
         "  esac\n"
         "  if [[ $topics && $word != -* ]]; then words=$(" +
         std::string(ask_topics) +
         "); fi\n"
         "  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
         "}\n"
         "complete -F _mxrmq mxrmq\n";
}

std::string zsh_completion(const CommandHelp& program) {
  // In a description ':' would end the word.
  const auto item = [](const std::string& word, const std::string& text) {
    std::string escaped;
    for (const char c : word + "\n" + text) {
      if (c == '\n') {
        escaped += ':';
      } else {
        escaped += c == ':' ? "\\:" : std::string(1, c);
      }
    }
    return " '" + quotable(escaped) + "'";
  };
  const auto options = [&item](const CommandHelp& command) {
    std::string out;
    for (const OptionHelp& each : command.options) {
      if (each.positional) continue;
      for (const std::string& name : each.names) out += item(name, each.text);
    }
    return out;
  };
  std::string cases;
  std::string paths;
  walk(program, "", [&](const std::string& path, const CommandHelp& command) {
    std::string items;
    for (const CommandHelp& each : command.commands) items += item(each.name, each.text);
    cases += "    '" + path + "') commands=(" + items + " ) options=(" + options(command) +
             (path.empty() ? "" : options(program)) + " )" +
             (takes_topics(command) ? " topics=yes" : "") + " ;;\n";
    if (!path.empty()) paths += " '" + path + "'";
  });
  return "#compdef mxrmq\n"
         "# zsh completion of mxrmq: mxrmq completion zsh > a directory of $fpath/_mxrmq\n"
         "_mxrmq() {\n"
         "  local at= each topics= i\n"
         "  local -a commands options names paths\n"
         "  paths=(" +
         paths +
         " )\n"
         "  for ((i = 2; i < CURRENT; ++i)); do\n"
         "    for each in $paths; do\n"
         "      if [[ \"${at:+$at }${words[i]}\" == \"$each\" ]]; then at=$each; break; fi\n"
         "    done\n"
         "  done\n"
         "  case $at in\n" +
         cases +
         "  esac\n"
         "  if [[ ${words[CURRENT]} == -* ]]; then _describe option options; return; fi\n"
         "  if [[ -n $topics ]]; then names=(${(f)\"$(" +
         std::string(ask_topics) +
         ")\"}); "
         "_describe topic names; return; fi\n"
         "  _describe command commands\n"
         "}\n"
         "compdef _mxrmq mxrmq\n";
}

std::string fish_completion(const CommandHelp& program) {
  std::string out =
      "# fish completion of mxrmq: mxrmq completion fish > ~/.config/fish/completions/mxrmq.fish\n"
      "complete -c mxrmq -f\n";
  walk(program, "", [&out](const std::string& path, const CommandHelp& command) {
    std::string condition;
    std::istringstream words(path);
    for (std::string word; words >> word;)
      condition +=
          (condition.empty() ? " -n '" : "; and ") + ("__fish_seen_subcommand_from " + word);
    if (!condition.empty()) condition += "'";
    const std::string none = path.empty() ? " -n __fish_use_subcommand" : condition;
    for (const CommandHelp& each : command.commands)
      out +=
          "complete -c mxrmq" + none + " -a " + each.name + " -d '" + quotable(each.text) + "'\n";
    for (const OptionHelp& each : command.options) {
      if (each.positional) continue;
      out += "complete -c mxrmq" + condition;
      for (const std::string& name : each.names)
        out += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      if (each.takes_value) out += " -r";
      std::string choices;
      for (const std::string& choice : each.choices) choices += choice + " ";
      if (!choices.empty()) out += " -a '" + choices + "'";
      out += " -d '" + quotable(each.text) + "'\n";
    }
    if (takes_topics(command))
      out += "complete -c mxrmq" + condition + " -a '(" + quotable(ask_topics) + ")'\n";
  });
  return out;
}

}  // namespace mxrmq
