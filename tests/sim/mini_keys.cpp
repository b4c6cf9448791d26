// Strings, sets, and what concerns any key.
#include "mini_redis.hpp"

namespace mx_rmq::sim {
namespace {

Value ping(MiniRedis&, const Arguments& c) { return c.size() > 1 ? bulk(c[1]) : status("PONG"); }

Value time(MiniRedis& redis, const Arguments&) {
  const std::int64_t us = redis.now_us();
  return array({bulk(std::to_string(us / 1'000'000)), bulk(std::to_string(us % 1'000'000))});
}

Value role(MiniRedis&, const Arguments&) { return array({bulk("master"), integer(0), array({})}); }

Value get(MiniRedis& redis, const Arguments& c) {
  const std::string* const found = redis.find<std::string>(c[1]);
  return found == nullptr ? nil() : bulk(*found);
}

Value set(MiniRedis& redis, const Arguments& c) {
  std::int64_t expires = 0;
  bool only_new = false;
  bool only_old = false;
  for (std::size_t i = 3; i < c.size(); ++i) {
    const std::string option = upper(c[i]);
    if ((option == "PX" || option == "EX") && i + 1 < c.size() && expires == 0) {
      const std::int64_t span = read_integer(c[++i]);
      if (span <= 0) throw CommandError("ERR invalid expire time in 'set' command");
      expires = redis.now_us() / 1000 + (option == "PX" ? span : span * 1000);
    } else if (option == "NX" && !only_old) {
      only_new = true;
    } else if (option == "XX" && !only_new) {
      only_old = true;
    } else {
      throw CommandError("ERR syntax error");
    }
  }
  const bool there = redis.find_any(c[1]) != nullptr;
  if ((only_new && there) || (only_old && !there)) return nil();
  redis.keys()[c[1]] = Entry{c[2], expires};
  return status("OK");
}

Value exists(MiniRedis& redis, const Arguments& c) {
  std::int64_t count = 0;
  for (std::size_t i = 1; i < c.size(); ++i) count += redis.find_any(c[i]) != nullptr;
  return integer(count);
}

Value del(MiniRedis& redis, const Arguments& c) {
  std::int64_t count = 0;
  for (std::size_t i = 1; i < c.size(); ++i) {
    if (redis.find_any(c[i]) == nullptr) continue;
    redis.keys().erase(c[i]);
    ++count;
  }
  return integer(count);
}

Value pttl(MiniRedis& redis, const Arguments& c) {
  const Entry* const entry = redis.find_any(c[1]);
  if (entry == nullptr) return integer(-2);
  return integer(entry->expires_ms == 0 ? -1 : entry->expires_ms - redis.now_us() / 1000);
}

Value type(MiniRedis& redis, const Arguments& c) {
  static constexpr const char* names[] = {"string", "list", "hash", "set", "zset"};
  const Entry* const entry = redis.find_any(c[1]);
  return status(entry == nullptr ? "none" : names[entry->data.index()]);
}

// Only with *, which gives them all, and with the name of one.
Value keys(MiniRedis& redis, const Arguments& c) {
  const bool all = c[1] == "*";
  if (!all && c[1].find_first_of("*?[\\") != std::string::npos)
    throw CommandError("ERR this Redis knows no patterns but *");
  std::vector<std::string> names;
  for (const auto& [name, entry] : redis.keys()) names.push_back(name);
  std::vector<Value> out;
  for (const std::string& name : names) {
    if ((all || name == c[1]) && redis.find_any(name) != nullptr) out.push_back(bulk(name));
  }
  return array(std::move(out));
}

Value flushall(MiniRedis& redis, const Arguments&) {
  redis.keys().clear();
  return status("OK");
}

Value sadd(MiniRedis& redis, const Arguments& c) {
  Set& data = redis.make<Set>(c[1]);
  std::int64_t count = 0;
  for (std::size_t i = 2; i < c.size(); ++i) count += data.insert(c[i]).second;
  return integer(count);
}

Value srem(MiniRedis& redis, const Arguments& c) {
  Set* const data = redis.find<Set>(c[1]);
  if (data == nullptr) return integer(0);
  std::int64_t count = 0;
  for (std::size_t i = 2; i < c.size(); ++i) count += static_cast<std::int64_t>(data->erase(c[i]));
  redis.drop_if_empty(c[1]);
  return integer(count);
}

Value smembers(MiniRedis& redis, const Arguments& c) {
  std::vector<Value> out;
  if (const Set* const data = redis.find<Set>(c[1])) {
    for (const std::string& each : *data) out.push_back(bulk(each));
  }
  return array(std::move(out));
}

}  // namespace

void add_key_commands(CommandTable& table) {
  table["PING"] = {ping, -1};
  table["ROLE"] = {role, 1};
  table["TIME"] = {time, 1};
  table["GET"] = {get, 2};
  table["SET"] = {set, -3};
  table["EXISTS"] = {exists, -2};
  table["DEL"] = {del, -2};
  table["UNLINK"] = {del, -2};
  table["PTTL"] = {pttl, 2};
  table["TYPE"] = {type, 2};
  table["KEYS"] = {keys, 2};
  table["FLUSHALL"] = {flushall, -1};
  table["SADD"] = {sadd, -3};
  table["SREM"] = {srem, -3};
  table["SMEMBERS"] = {smembers, 2};
}

}  // namespace mx_rmq::sim
