// lua/audit.lua, run on a topic: is each message in one place, do the counters agree?
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "mx_rmq_scripts.hpp"
#include "support/redis_server.hpp"

namespace mx_rmq::test {

inline std::string key_of(const std::string& topic, const std::string& part,
                          const std::string& prefix = "mx") {
  return prefix + ":{" + topic + "}:" + part;
}

// What lua/audit.lua counts; empty while the consumers change.
using Audit = std::map<std::string, std::int64_t>;

inline Audit audit(RedisServer& server, const std::string& topic,
                   const std::string& prefix = "mx") {
  const auto key = [&](const char* part) { return key_of(topic, part, prefix); };
  const std::vector<std::string> consumers =
      server.command({"ZRANGE", key("consumers"), "0", "-1"}).strings();
  std::vector<std::string> keys{key("ready:high"),    key("ready:normal"), key("ready:low"),
                                key("ready:suspect"), key("delayed"),      key("delayed:data"),
                                key("consumers"),     key("dlq"),          key("dlq:data"),
                                key("ids"),           key("stats")};
  for (const auto& each : consumers) keys.push_back(key(("processing:" + each).c_str()));
  std::vector<std::string> call{"EVAL", std::string(lua::audit.source),
                                std::to_string(keys.size())};
  call.insert(call.end(), keys.begin(), keys.end());
  call.push_back("100000");
  call.insert(call.end(), consumers.begin(), consumers.end());
  const Value reply = server.command(call);
  Audit numbers;
  if (reply[0].str() != "ok") return numbers;
  for (std::size_t i = 1; i + 1 < reply.list().size(); i += 2)
    numbers[reply[i].str()] = reply[i + 1].num();
  return numbers;
}

// Every message is in one place, every index has its data, the counters agree.
inline ::testing::AssertionResult sound(const Audit& numbers) {
  if (numbers.empty()) return ::testing::AssertionFailure() << "no audit";
  auto result = ::testing::AssertionSuccess();
  bool good = true;
  std::string text;
  for (const auto& [name, count] : numbers) {
    text += ' ' + name + '=' + std::to_string(count);
    for (const char* bad :
         {"twice", "stray_data", "stray_index", "unowned", "free_ids", "books", "dead_books"})
      if (name == bad && count != 0) good = false;
  }
  if (good) return result;
  return ::testing::AssertionFailure() << text;
}

}  // namespace mx_rmq::test
