// What a Command says, taken apart again.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mx_rmq_scripts.hpp"
#include "redis/wire/command.hpp"
#include "redis/wire/reply.hpp"

namespace mx_rmq::test {

inline std::vector<std::string> args_of(const redis::Command& command) {
  std::string_view left = command.bytes().view();
  const auto number = [&left](char mark) {
    if (left.empty() || left.front() != mark) throw std::runtime_error("not RESP");
    const std::size_t end = left.find("\r\n");
    const std::size_t value = std::stoul(std::string(left.substr(1, end - 1)));
    left.remove_prefix(end + 2);
    return value;
  };
  std::vector<std::string> out;
  for (std::size_t n = number('*'); n > 0; --n) {
    const std::size_t size = number('$');
    out.emplace_back(left.substr(0, size));
    left.remove_prefix(size + 2);
  }
  return out;
}

struct ScriptCall {
  std::string script;
  std::vector<std::string> keys;
  std::vector<std::string> argv;
};

inline ScriptCall script_call(const redis::Command& command) {
  const std::vector<std::string> args = args_of(command);
  if (args.size() < 3 || args[0] != "EVALSHA") throw std::runtime_error("no EVALSHA");
  ScriptCall out;
  for (const lua::Script* script : lua::all()) {
    if (script->sha1 == args[1]) out.script = script->name;
  }
  const auto keys = static_cast<std::ptrdiff_t>(std::stoul(args[2]));
  out.keys.assign(args.begin() + 3, args.begin() + 3 + keys);
  out.argv.assign(args.begin() + 3 + keys, args.end());
  return out;
}

// A flat array reply: what is all digits (perhaps behind a '-') becomes a number, unless it begins
// with '=', which is cut off.
inline redis::Reply flat(const std::vector<std::string>& fields) {
  std::vector<redis::Reply> items;
  for (const std::string& field : fields) {
    if (field.starts_with('=')) {
      items.push_back(redis::Reply::string(field.substr(1)));
    } else if (!field.empty() && field != "-" &&
               field.find_first_not_of("0123456789", field.starts_with('-') ? 1 : 0) ==
                   std::string::npos) {
      items.push_back(redis::Reply::integer(std::stoll(field)));
    } else {
      items.push_back(redis::Reply::string(field));
    }
  }
  return redis::Reply::array(std::move(items));
}

}  // namespace mx_rmq::test
