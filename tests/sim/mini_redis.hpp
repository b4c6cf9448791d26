// A Redis in one object: the data, the commands that the library and its scripts use, and the
// scripts themselves, in Lua 5.1 as in the real one. No sockets, no clock of its own, no
// persistence. Checked against the real server by mini_redis_test.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "mini_data.hpp"
#include "support/redis_client.hpp"

namespace mx_rmq::sim {

using Arguments = std::vector<std::string>;
using test::Value;

class LuaHost;

// What a command answers instead of a value: its text is the reply's.
class CommandError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class MiniRedis {
 public:
  // Unix microseconds; asked once a command.
  using Time = std::function<std::int64_t()>;

  // Who listens to channels, which belong to connections. Without them nobody does.
  struct Channels {
    // How many heard it.
    std::function<std::int64_t(const std::string& channel, const std::string& payload)> publish;
    std::function<std::int64_t(const std::string& channel)> listeners;
  };

  // `lua` may be shared by several; it must outlive them.
  MiniRedis(LuaHost& lua, Time time, Channels channels = {});

  // Carries out one command as it comes from a client. Everything but what belongs to a connection
  // (CLIENT, AUTH, SUBSCRIBE ...).
  Value run(const Arguments& command);
  // The same from inside a script.
  Value call(const Arguments& command);

  // --- the data ---
  Keyspace& keys() noexcept { return keys_; }
  const Keyspace& keys() const noexcept { return keys_; }
  // Drops the compiled scripts, as SCRIPT FLUSH and a restart do.
  void forget_scripts() { scripts_.clear(); }
  bool knows(const std::string& sha) const { return scripts_.contains(sha); }
  std::int64_t now_us() const noexcept { return now_us_; }

  // --- for the commands ---
  template <class T>
  T* find(const std::string& key);  // nullptr: not there; WRONGTYPE
  template <class T>
  T& make(const std::string& key);  // there afterwards
  Entry* find_any(const std::string& key);
  void drop_if_empty(const std::string& key);
  const Channels& channels() const noexcept { return channels_; }

 private:
  Value run_script(const Arguments& command, const std::string& sha);
  Value script_command(const Arguments& command);
  Value dispatch(const Arguments& command, bool from_script);

  LuaHost& lua_;
  Time time_;
  const Channels channels_;
  Keyspace keys_;
  std::set<std::string, std::less<>> scripts_;
  std::int64_t now_us_ = 0;
};

struct CommandSpec {
  Value (*run)(MiniRedis&, const Arguments&);
  int arity;  // with the name; negative: at least
};
using CommandTable = std::unordered_map<std::string, CommandSpec>;

void add_channel_commands(CommandTable& table);
void add_key_commands(CommandTable& table);
void add_list_commands(CommandTable& table);
void add_hash_commands(CommandTable& table);
void add_sorted_commands(CommandTable& table);

// --- making replies, reading arguments ---

Value nil();
Value status(std::string text);
Value error(std::string text);
Value integer(std::int64_t number);
Value bulk(std::string text);
Value array(std::vector<Value> elements = {});
std::int64_t read_integer(const std::string& text, const char* complaint = nullptr);
double read_score(const std::string& text);
std::string write_score(double score);
std::string upper(std::string text);
[[noreturn]] void wrong_type();

template <class T>
T* MiniRedis::find(const std::string& key) {
  Entry* const entry = find_any(key);
  if (entry == nullptr) return nullptr;
  T* const data = std::get_if<T>(&entry->data);
  if (data == nullptr) wrong_type();
  return data;
}

template <class T>
T& MiniRedis::make(const std::string& key) {
  if (T* const there = find<T>(key)) return *there;
  Entry& entry = keys_[key];
  entry.data = T{};
  return std::get<T>(entry.data);
}

}  // namespace mx_rmq::sim
