// docs/protocol.md says what the scripts do: their headers word for word, and a session that really
// runs.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <memory>
#include <regex>
#include <sstream>

#include "mx_rmq_scripts.hpp"
#include "script_text.hpp"
#include "support/paths.hpp"
#include "support/redis_server.hpp"

namespace mx_rmq::test {
namespace {

std::string document() {
  std::ifstream in(test::source_path("docs/protocol.md"), std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

// A command of the session and what the document shows under it.
struct Step {
  std::string command;
  std::string output;
};

std::vector<Step> session() {
  std::istringstream in(document());
  std::vector<Step> out;
  bool inside = false;
  for (std::string line; std::getline(in, line);) {
    if (line == "```console") {
      inside = true;
    } else if (line == "```") {
      inside = false;
    } else if (inside && line.starts_with("$ ")) {
      out.push_back({line.substr(2), ""});
    } else if (inside) {
      out.back().output += line + "\n";
    }
  }
  return out;
}

std::string output_of(const std::string& command) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(command.c_str(), "r"), ::pclose);
  std::string out;
  std::array<char, 4096> buffer{};
  while (pipe != nullptr) {
    const std::size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe.get());
    if (n == 0) break;
    out.append(buffer.data(), n);
  }
  return out;
}

// Times differ from run to run.
std::string without_times(const std::string& text) {
  static const std::regex time("1[0-9]{12}");
  std::string out = std::regex_replace(text, time, "<ms>");
  while (out.ends_with('\n')) out.pop_back();
  return out;
}

TEST(ProtocolDocument, HoldsEveryScriptsHeader) {
  const std::string text = document();
  for (const auto& [name, source] : script_sources()) {
    EXPECT_NE(text.find("### " + name + "\n\n```lua\n" + script_header(name) + "```\n"),
              std::string::npos)
        << "docs/protocol.md does not show lua/" << name << ".lua as it is:\n"
        << script_header(name);
  }
}

TEST(ProtocolDocument, TellsHowToGetTheTextThatTheLibraryLoads) {
  for (const lua::Script* each : lua::all()) {
    EXPECT_EQ(
        output_of("sh " + test::source_path("scripts/script_text") + " " + std::string(each->name)),
        each->source)
        << each->name;
  }
}

TEST(ProtocolDocument, ShowsASessionThatRuns) {
  if (output_of("bash -c 'command -v redis-cli'").empty())
    GTEST_SKIP() << "no bash or no redis-cli";
  RedisServer server;
  const std::vector<Step> steps = session();
  ASSERT_GT(steps.size(), 30U);
  const std::string file = server.directory() + "/session.sh";
  {
    std::ofstream out(file, std::ios::binary);
    out << "cd " << test::source_path(".") << "\nredis-cli() { command redis-cli -s "
        << server.socket_path() << " \"$@\"; }\n";
    for (const Step& each : steps) out << each.command << "\nprintf '\\n@@@\\n'\n";
  }
  std::string left = output_of("bash " + file + " 2>&1");
  for (const Step& each : steps) {
    const auto end = left.find("\n@@@\n");
    ASSERT_NE(end, std::string::npos) << each.command;
    EXPECT_EQ(without_times(left.substr(0, end)), without_times(each.output))
        << "$ " << each.command;
    left.erase(0, end + 5);
  }
}

}  // namespace
}  // namespace mx_rmq::test
