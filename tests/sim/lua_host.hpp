// Lua 5.1 as Redis runs it: the table redis, no globals, errors in Redis's words.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "mini_redis.hpp"

struct lua_State;

namespace mx_rmq::sim {

// Holds compiled scripts for good: compiling them is most of what a world costs, so worlds share
// one. One thread.
class LuaHost {
 public:
  LuaHost();
  ~LuaHost();
  LuaHost(const LuaHost&) = delete;
  LuaHost& operator=(const LuaHost&) = delete;

  // The script's sha1. Throws CommandError if it does not compile.
  const std::string& load(const std::string& source);
  // KEYS and ARGV are command[first_key] and on, `keys` of them KEYS.
  Value run(MiniRedis& redis, const std::string& sha, const Arguments& command,
            std::size_t first_key, std::size_t keys);

 private:
  lua_State* lua_;
  std::map<std::string, std::string> sha_of_;  // source -> sha1
  std::set<std::string> compiled_;
};

}  // namespace mx_rmq::sim
