// Lists and hashes.
#include <algorithm>

#include "mini_redis.hpp"

namespace mx_rmq::sim {
namespace {

// The elements that START and STOP name, as [first, last).
std::pair<std::int64_t, std::int64_t> range(std::int64_t start, std::int64_t stop,
                                            std::size_t size) {
  const auto length = static_cast<std::int64_t>(size);
  if (start < 0) start = std::max<std::int64_t>(0, start + length);
  if (stop < 0) stop += length;
  stop = std::min(stop, length - 1);
  if (start > stop || start >= length) return {0, 0};
  return {start, stop + 1};
}

Value push(MiniRedis& redis, const Arguments& c, bool left) {
  List& data = redis.make<List>(c[1]);
  for (std::size_t i = 2; i < c.size(); ++i) {
    if (left) {
      data.push_front(c[i]);
    } else {
      data.push_back(c[i]);
    }
  }
  return integer(static_cast<std::int64_t>(data.size()));
}
Value lpush(MiniRedis& redis, const Arguments& c) { return push(redis, c, true); }
Value rpush(MiniRedis& redis, const Arguments& c) { return push(redis, c, false); }

Value llen(MiniRedis& redis, const Arguments& c) {
  const List* const data = redis.find<List>(c[1]);
  return integer(data == nullptr ? 0 : static_cast<std::int64_t>(data->size()));
}

Value lrange(MiniRedis& redis, const Arguments& c) {
  const std::int64_t start = read_integer(c[2]);
  const std::int64_t stop = read_integer(c[3]);
  std::vector<Value> out;
  if (const List* const data = redis.find<List>(c[1])) {
    const auto [first, last] = range(start, stop, data->size());
    out.reserve(static_cast<std::size_t>(last - first));
    for (auto i = first; i < last; ++i) out.push_back(bulk((*data)[static_cast<std::size_t>(i)]));
  }
  return array(std::move(out));
}

Value ltrim(MiniRedis& redis, const Arguments& c) {
  const std::int64_t start = read_integer(c[2]);
  const std::int64_t stop = read_integer(c[3]);
  if (List* const data = redis.find<List>(c[1])) {
    const auto [first, last] = range(start, stop, data->size());
    data->erase(data->begin() + last, data->end());
    data->erase(data->begin(), data->begin() + first);
    redis.drop_if_empty(c[1]);
  }
  return status("OK");
}

Value lset(MiniRedis& redis, const Arguments& c) {
  List* const data = redis.find<List>(c[1]);
  if (data == nullptr) throw CommandError("ERR no such key");
  std::int64_t index = read_integer(c[2]);
  if (index < 0) index += static_cast<std::int64_t>(data->size());
  if (index < 0 || index >= static_cast<std::int64_t>(data->size())) {
    throw CommandError("ERR index out of range");
  }
  (*data)[static_cast<std::size_t>(index)] = c[3];
  return status("OK");
}

// --- hashes ---

Value hset(MiniRedis& redis, const Arguments& c) {
  if (c.size() % 2 != 0) throw CommandError("ERR wrong number of arguments for 'hset' command");
  Hash& data = redis.make<Hash>(c[1]);
  std::int64_t fresh = 0;
  for (std::size_t i = 2; i < c.size(); i += 2) {
    fresh += data.insert_or_assign(c[i], c[i + 1]).second;
  }
  return integer(fresh);
}

Value hsetnx(MiniRedis& redis, const Arguments& c) {
  return integer(redis.make<Hash>(c[1]).emplace(c[2], c[3]).second);
}

const std::string* field(MiniRedis& redis, const std::string& key, const std::string& name) {
  const Hash* const data = redis.find<Hash>(key);
  if (data == nullptr) return nullptr;
  const auto found = data->find(name);
  return found == data->end() ? nullptr : &found->second;
}

Value hget(MiniRedis& redis, const Arguments& c) {
  const std::string* const value = field(redis, c[1], c[2]);
  return value == nullptr ? nil() : bulk(*value);
}

Value hexists(MiniRedis& redis, const Arguments& c) {
  return integer(field(redis, c[1], c[2]) != nullptr);
}

Value hmget(MiniRedis& redis, const Arguments& c) {
  std::vector<Value> out;
  redis.find<Hash>(c[1]);
  for (std::size_t i = 2; i < c.size(); ++i) {
    const std::string* const value = field(redis, c[1], c[i]);
    out.push_back(value == nullptr ? nil() : bulk(*value));
  }
  return array(std::move(out));
}

Value hdel(MiniRedis& redis, const Arguments& c) {
  Hash* const data = redis.find<Hash>(c[1]);
  if (data == nullptr) return integer(0);
  std::int64_t count = 0;
  for (std::size_t i = 2; i < c.size(); ++i) count += static_cast<std::int64_t>(data->erase(c[i]));
  redis.drop_if_empty(c[1]);
  return integer(count);
}

Value hlen(MiniRedis& redis, const Arguments& c) {
  const Hash* const data = redis.find<Hash>(c[1]);
  return integer(data == nullptr ? 0 : static_cast<std::int64_t>(data->size()));
}

// The order of a hash is not promised: here it is that of the names.
template <bool Names, bool Values>
Value whole(MiniRedis& redis, const Arguments& c) {
  std::vector<Value> out;
  if (const Hash* const data = redis.find<Hash>(c[1])) {
    for (const auto& [name, value] : *data) {
      if (Names) out.push_back(bulk(name));
      if (Values) out.push_back(bulk(value));
    }
  }
  return array(std::move(out));
}

// All of it at once, however large it is.
Value hscan(MiniRedis& redis, const Arguments& c) {
  return array({bulk("0"), whole<true, true>(redis, c)});
}

Value hincrby(MiniRedis& redis, const Arguments& c) {
  const std::int64_t by = read_integer(c[3]);
  const std::string* const old = field(redis, c[1], c[2]);
  const std::int64_t before =
      old == nullptr ? 0 : read_integer(*old, "ERR hash value is not an integer");
  std::int64_t after = 0;
  if (__builtin_add_overflow(before, by, &after)) {
    throw CommandError("ERR increment or decrement would overflow");
  }
  redis.make<Hash>(c[1])[c[2]] = std::to_string(after);
  return integer(after);
}

}  // namespace

void add_list_commands(CommandTable& table) {
  table["LPUSH"] = {lpush, -3};
  table["RPUSH"] = {rpush, -3};
  table["LLEN"] = {llen, 2};
  table["LRANGE"] = {lrange, 4};
  table["LTRIM"] = {ltrim, 4};
  table["LSET"] = {lset, 4};
}

void add_hash_commands(CommandTable& table) {
  table["HSET"] = {hset, -4};
  table["HSETNX"] = {hsetnx, 4};
  table["HGET"] = {hget, 3};
  table["HEXISTS"] = {hexists, 3};
  table["HMGET"] = {hmget, -3};
  table["HDEL"] = {hdel, -3};
  table["HLEN"] = {hlen, 2};
  table["HKEYS"] = {whole<true, false>, 2};
  table["HVALS"] = {whole<false, true>, 2};
  table["HGETALL"] = {whole<true, true>, 2};
  table["HSCAN"] = {hscan, -3};
  table["HINCRBY"] = {hincrby, 4};
}

}  // namespace mx_rmq::sim
