// A call of one script, and the keys that its header names for it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "support/redis_client.hpp"

namespace mx_rmq::test {

struct Call {
  // Or "listen", "unlisten" (to the channel of the consumers with the alias `who`), "expire" (a
  // producer's number expires).
  std::string script;
  std::string topic;
  std::string who;  // consumer or producer, where KEYS or these need one
  std::vector<std::string> argv;
  std::vector<std::string>
      lists;  // produce: the lists used; cancel_page, look_list: the one list; names as high;
              // look_index: "dlq" or "delayed"; purge_list: the one list; displace: from, to
              // (a list or "delayed")
  // audit: whose hashes it is given; produce: "settings", if it looks at them.
  std::vector<std::string> named;
};

// A call at a time.
struct ScriptOp {
  Call call;
  std::int64_t now_us = 0;
};

std::string key(const std::string& topic, const std::string& rest);
// Whether the call is one of a script at all, and whether it is of one that wakes.
bool is_script(const std::string& name);
bool wakes(const std::string& script);
// A consumer's name without its incarnation.
std::string alias_of(const std::string& consumer);
std::vector<std::string> keys_of(const Call& call);
// EVALSHA sha numkeys keys argv, the command that publishes for one that wakes, and the two
// arguments of an instrumented script if `now_us` >= 0.
std::vector<std::string> command_of(const Call& call, const std::string& sha,
                                    std::int64_t now_us = -1, int fail_at = 0,
                                    const char* publish = "PUBLISH");
// For messages: bytes that are no text are escaped.
std::string show(const std::string& bytes);
std::string show(const ScriptOp& op);
std::string show(const Value& value);

Value number(std::int64_t n);
Value text(std::string s);
Value array(std::vector<Value> elements = {});
bool same(const Value& a, const Value& b);

}  // namespace mx_rmq::test
