#include "manual.hpp"

#include <algorithm>

namespace mxrmq {

namespace {

// As text in roff: a hyphen stays one that can be copied, and no line begins with a request.
std::string roff(const std::string& text) {
  std::string out;
  bool begins = true;
  for (const char c : text) {
    if (begins && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
    begins = c == '\n';
  }
  return out;
}

std::string synopsis(const std::string& path, const CommandHelp& command) {
  std::string out = "\\fB" + roff(path) + "\\fR";
  bool options = false;
  for (const OptionHelp& each : command.options) options = options || !each.positional;
  if (options) out += " [\\fIoptions\\fR]";
  for (const OptionHelp& each : command.options) {
    if (!each.positional) continue;
    const std::string name = "\\fI" + roff(each.names.front()) + "\\fR";
    out += each.required ? " " + name : " [" + name + "]";
  }
  return out;
}

void write_options(std::string& out, const CommandHelp& command) {
  for (const OptionHelp& each : command.options) {
    if (each.names.empty()) continue;
    out += ".TP\n";
    for (std::size_t i = 0; i < each.names.size(); ++i) {
      out += (i > 0 ? ", " : "") + std::string(each.positional ? "\\fI" : "\\fB") +
             roff(each.names[i]) + "\\fR";
    }
    if (!each.positional && each.takes_value) out += " \\fIvalue\\fR";
    out += "\n" + roff(each.text) + "\n";
  }
}

void write_commands(std::string& out, const CommandHelp& command, const std::string& path) {
  for (const CommandHelp& each : command.commands) {
    const std::string words = path + " " + each.name;
    const bool does_something =
        each.commands.empty() || std::ranges::any_of(each.options, [](const OptionHelp& option) {
          return option.positional;
        });
    if (does_something) {
      out += ".SS " + roff(words.substr(words.find(' ') + 1)) + "\n" + synopsis(words, each) +
             "\n.PP\n" + roff(each.text) + ".\n";
      write_options(out, each);
    }
    write_commands(out, each, words);
  }
}

}  // namespace

std::string manual_page(const CommandHelp& program, const std::string& footer,
                        const std::string& version) {
  std::string out = ".TH MXRMQ 1 \"\" \"mx-rmq " + roff(version) + "\" \"User Commands\"\n";
  out += ".SH NAME\nmxrmq \\- looks into the queues of mx\\-rmq on a Redis, and steers them\n";
  out += ".SH SYNOPSIS\n\\fBmxrmq\\fR [\\fIglobal options\\fR] \\fIcommand\\fR [\\fIoptions\\fR]\n";
  out += ".SH GLOBAL OPTIONS\n";
  write_options(out, program);
  out += ".SH COMMANDS\n";
  write_commands(out, program, "mxrmq");
  out += ".SH NOTES\n.nf\n" + roff(footer) + ".fi\n";
  return out;
}

}  // namespace mxrmq
