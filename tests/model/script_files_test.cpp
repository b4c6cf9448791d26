// What every script must be, seen from its text.
#include <gtest/gtest.h>

#include <cstdio>
#include <regex>
#include <set>

#include "mx_rmq_scripts.hpp"
#include "script_text.hpp"
#include "support/redis_server.hpp"

namespace mx_rmq::test {
namespace {

// The calls in a script: the rest of the line from the command's name on.
std::vector<std::string> calls_in(const std::string& source) {
  static const std::regex call(R"((?:redis\.call|\bwrite|\bremove)\(([^\n]*))");
  std::vector<std::string> out;
  for (std::sregex_iterator it(source.begin(), source.end(), call), end; it != end; ++it)
    out.push_back((*it)[1]);
  return out;
}

std::vector<std::string> upper_case_literals(const std::string& text) {
  static const std::regex literal(R"('([A-Z]{2,})')");
  std::vector<std::string> out;
  for (std::sregex_iterator it(text.begin(), text.end(), literal), end; it != end; ++it)
    out.push_back((*it)[1]);
  return out;
}

const Value* field(const Value& map, const std::string& name) {
  for (std::size_t i = 0; i + 1 < map.elements.size(); i += 2) {
    if (map.elements[i].text == name) return &map.elements[i + 1];
  }
  return nullptr;
}

bool newer_than_5_0(const std::string& version) {
  const int major = std::stoi(version);
  const auto dot = version.find('.');
  return major > 5 || (major == 5 && std::stoi(version.substr(dot + 1)) > 0);
}

// The `since` of the argument with this token, wherever it is among a command's arguments; "" if it
// has none of its own.
const Value* find_token(const Value& arguments, const std::string& token) {
  for (const Value& each : arguments.elements) {
    const Value* name = field(each, "token");
    if (name != nullptr && name->text == token) return &each;
    if (const Value* inner = field(each, "arguments")) {
      if (const Value* found = find_token(*inner, token)) return found;
    }
  }
  return nullptr;
}

TEST(ScriptFiles, EachLoadsUnderTheSha1ThatIsEmbedded) {
  RedisServer server;
  EXPECT_EQ(lua::all().size(), script_sources().size());
  for (const lua::Script* each : lua::all()) {
    EXPECT_EQ(server.command({"SCRIPT", "LOAD", std::string(each->source)}).str(), each->sha1)
        << each->name;
  }
}

TEST(ScriptFiles, UseNoCommandOrOptionNewerThanRedis5) {
  RedisServer server;
  std::map<std::string, std::set<std::string>> options;  // command -> options used with it
  for (const auto& [name, source] : script_sources()) {
    for (const std::string& call : calls_in(source)) {
      // Several calls may share a line: each literal belongs to the last command before it.
      const std::vector<std::string> words =
          upper_case_literals(call.substr(0, call.find("redis.call(")));
      if (words.empty()) continue;
      options[words[0]].insert(words.begin() + 1, words.end());
    }
  }
  ASSERT_GT(options.size(), 20U);
  for (const auto& [command, used] : options) {
    const Value docs = server.try_command({"COMMAND", "DOCS", command});
    if (docs.is_error()) GTEST_SKIP() << "this server has no COMMAND DOCS: " << docs.dump();
    ASSERT_EQ(docs.elements.size(), 2U) << command << " is no command";
    const Value* since = field(docs[1], "since");
    ASSERT_NE(since, nullptr);
    EXPECT_FALSE(newer_than_5_0(since->text)) << command << " is since " << since->text;
    for (const std::string& option : used) {
      const Value* arguments = field(docs[1], "arguments");
      const Value* found = arguments == nullptr ? nullptr : find_token(*arguments, option);
      ASSERT_NE(found, nullptr) << command << " has no option " << option;
      const Value* of_option = field(*found, "since");
      if (of_option != nullptr) {
        EXPECT_FALSE(newer_than_5_0(of_option->text)) << command << " " << option;
      }
    }
  }
}

TEST(ScriptFiles, DescribeTheirKeysArgumentsReplyCostAndPromise) {
  for (const auto& [name, source] : script_sources()) {
    const std::string header = script_header(name);
    EXPECT_TRUE(header.starts_with("-- " + name + ": ")) << name;
    for (const char* line :
         {"\n-- KEYS    ", "\n-- ARGV    ", "\n-- returns ", "\n-- cost    ", "\n-- keeps   "}) {
      EXPECT_NE(header.find(line), std::string::npos) << name << " lacks" << line;
    }
  }
}

TEST(ScriptFiles, TakeEveryKeyFromKEYS) {
  static const std::regex key(
      R"('[A-Z]+', (KEYS\[[a-z0-9 +]+\]|[a-z]+|ready\[[a-z(\[\])]+\])([,)]| ==).*)");
  for (const auto& [name, source] : script_sources()) {
    for (const std::string& call : calls_in(source)) {
      if (call.starts_with("'TIME'") || call.starts_with("...") ||
          call.starts_with("command, key, "))
        continue;
      EXPECT_TRUE(std::regex_match(call, key)) << name << ": " << call;
    }
    EXPECT_EQ(source.find("KEYS[1] .."), std::string::npos) << name;
  }
}

TEST(ScriptFiles, AreForEveryServerAndPutNoBytesOfUsersIntoErrors) {
  for (const auto& [name, source] : script_sources()) {
    EXPECT_FALSE(source.starts_with("#!")) << name << ": Redis 5 and 6 reject a shebang";
    for (const char* banned :
         {"error_reply", "status_reply", "error(", "err =", "ok =", "cjson", "cmsgpack",
          "loadstring", "tostring(", "KEYS[#", "set_repl", "breakpoint"}) {
      EXPECT_EQ(source.find(banned), std::string::npos) << name << " uses " << banned;
    }
    // Only publishing, and asking who listens, may be refused.
    static const std::regex pcall(R"(pcall\((?!publish, |'PUBSUB', ))");
    EXPECT_FALSE(std::regex_search(source, pcall)) << name;
    // unpack takes at most 1,000 values, and TIME is asked once.
    static const std::regex time("'TIME'");
    EXPECT_LE(std::distance(std::sregex_iterator(source.begin(), source.end(), time),
                            std::sregex_iterator()),
              1)
        << name;
  }
}

}  // namespace
}  // namespace mx_rmq::test
