// Is the Redis in the simulation one? The same commands and calls of scripts on it and on the real
// server: equal replies, equal data.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <random>
#include <set>

#include "bench.hpp"
#include "lua_host.hpp"
#include "mini_redis.hpp"
#include "world.hpp"

namespace mx_rmq::sim {
namespace {

using test::ScriptOp;
using test::ScriptServer;
using test::State;

// The mini Redis behind the same face as ScriptServer.
class MiniServer {
 public:
  MiniServer()
      : redis_(lua_, [this] { return now_us_; },
               {[this](const std::string& channel, const std::string& payload) -> std::int64_t {
                  if (!channels_.contains(channel)) return 0;
                  heard_.push_back(channel + " " + payload);
                  return 1;
                },
                [this](const std::string& channel) -> std::int64_t {
                  return channels_.contains(channel) ? 1 : 0;
                }}) {
    for (const auto& [name, source] : test::script_sources()) {
      shas_[name] = redis_.run({"SCRIPT", "LOAD", test::instrumented(source)}).text;
    }
  }

  MiniRedis& redis() { return redis_; }
  void set_time(std::int64_t us) { now_us_ = us; }

  Value run(const ScriptOp& op) {
    const std::string channel = test::key(op.call.topic, "to:" + op.call.who);
    if (op.call.script == "listen") channels_.insert(channel);
    if (op.call.script == "unlisten") channels_.erase(channel);
    if (op.call.script.ends_with("listen")) return test::number(1);
    const bool script = test::is_script(op.call.script);
    return redis_.run(test::command_of(op.call, script ? shas_.at(op.call.script) : "", op.now_us));
  }

  void clear() {
    redis_.keys().clear();
    channels_.clear();
    heard_.clear();
  }
  const std::vector<std::string>& heard() const { return heard_; }

  State state() const {
    State out;
    for (const auto& [name, entry] : redis_.keys()) out[name] = row(entry);
    return out;
  }

 private:
  static std::vector<std::string> row(const Entry& entry) {
    std::vector<std::string> out;
    if (const auto* text = std::get_if<std::string>(&entry.data)) {
      out = {"string", *text};
    } else if (const auto* list = std::get_if<List>(&entry.data)) {
      out = {"list"};
      out.insert(out.end(), list->begin(), list->end());
    } else if (const auto* hash = std::get_if<Hash>(&entry.data)) {
      out = {"hash"};
      for (const auto& [field, value] : *hash) out.insert(out.end(), {field, value});
    } else if (const auto* sorted = std::get_if<SortedSet>(&entry.data)) {
      out = {"zset"};
      for (const auto& [score, member] : sorted->order) {
        out.insert(out.end(), {member, write_score(score)});
      }
    } else {
      out = {"set"};
    }
    return out;
  }

  LuaHost lua_;
  std::int64_t now_us_ = 1'800'000'000'000'000;
  std::set<std::string> channels_;
  std::vector<std::string> heard_;  // "<channel> <payload>"
  MiniRedis redis_;
  std::map<std::string, std::string> shas_;
};

// Replies whose order is not promised are compared in the order of their texts.
void in_any_order(const Arguments& command, Value& value) {
  static const std::map<std::string, std::size_t> widths{
      {"HGETALL", 2}, {"HKEYS", 1}, {"HVALS", 1}, {"KEYS", 1}, {"SMEMBERS", 1}};
  const auto width = widths.find(upper(command[0]));
  if (width == widths.end() || value.kind != Value::Kind::array) return;
  std::multimap<std::string, std::vector<Value>> rows;
  for (auto at = value.elements.begin(); at != value.elements.end();) {
    const auto end = at + static_cast<std::ptrdiff_t>(width->second);
    rows.emplace(at->text, std::vector<Value>(at, end));
    at = end;
  }
  value.elements.clear();
  for (const auto& [name, row] : rows) {
    value.elements.insert(value.elements.end(), row.begin(), row.end());
  }
}

std::string shown(const Arguments& command) {
  std::string out;
  for (const std::string& each : command) out += test::show(each) + " ";
  return out;
}

void expect_equal(test::RedisClient& real, MiniRedis& mini, const Arguments& command) {
  Value wanted = real.try_command(command);
  Value got = mini.run(command);
  in_any_order(command, wanted);
  in_any_order(command, got);
  EXPECT_TRUE(test::same(got, wanted))
      << shown(command) << "\n  mini: " << test::show(got) << "\n  real: " << test::show(wanted);
}

TEST(MiniRedis, RunsTheScriptsAsTheRealOneDoes) {
  ScriptServer real;
  MiniServer mini;
  const std::uint64_t seeds = test::sanitized ? 6 : 60;
  std::size_t calls = 0;
  for (std::uint64_t seed = 1; seed <= seeds && !HasFailure(); ++seed) {
    real.flush();
    mini.clear();
    test::Model model;
    test::World world(seed, model);
    for (int i = 0; i < 500 && !HasFailure(); ++i) {
      const ScriptOp op = world.next();
      const Value wanted = real.run(op);
      Value got = mini.run(op);
      ++calls;
      EXPECT_TRUE(test::same(got, wanted))
          << "seed " << seed << ", operation " << i << ": " << test::show(op)
          << "\n  mini: " << test::show(got) << "\n  real: " << test::show(wanted);
      world.reply(model.run(op));
      if (i % 50 == 49) {
        EXPECT_EQ(test::difference(real.state(), mini.state()), "") << "seed " << seed;
      }
    }
    std::size_t heard = 0;
    for (const auto& [topic, each] : real.heard()) {
      heard += each.size();
      for (const std::string& words : each) {
        const std::string shown = test::key(topic, "to:" + words);
        EXPECT_EQ(std::ranges::count(mini.heard(), shown), std::ranges::count(each, words))
            << shown << ", seed " << seed;
      }
    }
    EXPECT_EQ(heard, mini.heard().size()) << "seed " << seed;
  }
  std::printf("%zu calls of scripts, all replies and %llu states equal\n", calls,
              static_cast<unsigned long long>(seeds * 10));
}

// --- plain commands ---

class Commands {
 public:
  explicit Commands(std::uint64_t seed) : rng_(seed) {}

  Arguments next() {
    static const std::vector<std::pair<const char*, const char*>> shapes{
        {"GET", "k"},
        {"SET", "kv"},
        {"SET", "kvx"},
        {"EXISTS", "k"},
        {"DEL", "k"},
        {"UNLINK", "k"},
        {"TYPE", "k"},
        {"SADD", "kvv"},
        {"SREM", "kv"},
        {"SMEMBERS", "k"},
        {"LPUSH", "kvv"},
        {"RPUSH", "kvvv"},
        {"LLEN", "k"},
        {"LRANGE", "kii"},
        {"LTRIM", "kii"},
        {"LSET", "kiv"},
        {"HSET", "kfv"},
        {"HSET", "kfvfv"},
        {"HSETNX", "kfv"},
        {"HGET", "kf"},
        {"HEXISTS", "kf"},
        {"HMGET", "kff"},
        {"HDEL", "kff"},
        {"HLEN", "k"},
        {"HKEYS", "k"},
        {"HVALS", "k"},
        {"HGETALL", "k"},
        {"HINCRBY", "kfi"},
        {"ZADD", "ksf"},
        {"ZADD", "ksfsf"},
        {"ZREM", "kff"},
        {"ZCARD", "k"},
        {"ZSCORE", "kf"},
        {"ZCOUNT", "kbb"},
        {"ZRANGE", "kii"},
        {"ZRANGE", "kiiw"},
        {"ZREVRANGE", "kiiw"},
        {"ZRANGEBYSCORE", "kbb"},
        {"ZRANGEBYSCORE", "kbbwlii"},
        {"KEYS", "*"},
        {"PING", ""},
        {"ROLE", ""},
        {"nonsense", "kv"}};
    const auto& [name, shape] = shapes[below(shapes.size())];
    Arguments out{name};
    for (const char* each = shape; *each != '\0'; ++each) out.push_back(argument(*each));
    if (below(40) == 0 && out.size() > 1) out.pop_back();
    if (below(60) == 0) out.push_back("more");
    return out;
  }

 private:
  std::uint64_t below(std::uint64_t n) { return rng_() % n; }

  std::string argument(char kind) {
    static const std::array<const char*, 8> integers{"0", "1", "-1", "2", "-3", "7", "x", "01"};
    static const std::array<const char*, 8> scores{"0", "1", "1.5", "-2", "1e15", "inf", "", "nan"};
    static const std::array<const char*, 8> bounds{"-inf", "+inf", "(1", "1",
                                                   "1.5",  "(-2",  "0",  "y"};
    switch (kind) {
      case 'k':
        return "key" + std::to_string(below(6));
      case 'f':
        return "f" + std::to_string(below(4));
      case 'v':
        return below(3) == 0 ? std::to_string(below(20)) : std::string("v\0\r\n", 4);
      case 'i':
        return integers[below(integers.size())];
      case 's':
        return scores[below(scores.size())];
      case 'b':
        return bounds[below(bounds.size())];
      case 'w':
        return "WITHSCORES";
      case 'l':
        return "LIMIT";
      case 'x':
        return below(2) == 0 ? "NX" : "XX";
      default:
        return std::string(1, kind);
    }
  }

  std::mt19937_64 rng_;
};

TEST(MiniRedis, AnswersCommandsAsTheRealOneDoes) {
  test::RedisServer server;
  test::RedisClient real = server.connect();
  MiniServer mini;
  const std::uint64_t seeds = test::sanitized ? 4 : 40;
  std::size_t compared = 0;
  for (std::uint64_t seed = 1; seed <= seeds && !HasFailure(); ++seed) {
    real.command({"FLUSHALL"});
    mini.redis().keys().clear();
    Commands commands(seed);
    for (int i = 0; i < 1000 && !HasFailure(); ++i) {
      expect_equal(real, mini.redis(), commands.next());
      ++compared;
    }
  }
  std::printf("%zu commands, all replies equal\n", compared);
}

// --- what scripts may do beyond what ours do ---

TEST(MiniRedis, ConvertsBetweenLuaAndRepliesAsTheRealOneDoes) {
  test::RedisServer server;
  test::RedisClient real = server.connect();
  MiniServer mini;
  const std::vector<Arguments> calls{
      {"return 1", "0"},
      {"return 3.99", "0"},
      {"return -3.99", "0"},
      {"return '3'", "0"},
      {"return true", "0"},
      {"return false", "0"},
      {"return nil", "0"},
      {"return {1, 'a', {2, {3}}, true, false, 4}", "0"},
      {"return {1, nil, 3}", "0"},
      {"return {}", "0"},
      {"return {ok = 'fine'}", "0"},
      {"return {err = 'ERR mine'}", "0"},
      {"return redis.status_reply('GOOD')", "0"},
      {"return redis.call('SET', KEYS[1], ARGV[1])", "1", "a", "1"},
      {"return redis.call('GET', KEYS[1])", "1", "a"},
      {"return redis.call('GET', 'none')", "0"},
      {"return redis.call('GET', 'none') == false", "0"},
      {"return type(redis.call('SET', 'b', 12345678901234567890))", "0"},
      {"return redis.call('GET', 'b')", "0"},
      {"redis.call('SET', 'c', 1795372057380) return redis.call('GET', 'c')", "0"},
      {"redis.call('SET', 'c', 0.1) return redis.call('GET', 'c')", "0"},
      {"redis.call('HINCRBY', 'h', 'n', 7) return redis.call('HGET', 'h', 'n') + 1", "0"},
      {"return {#KEYS, #ARGV, KEYS[1], ARGV[2]}", "2", "x", "y", "p", "q"},
      {"return redis.pcall('HGET', 'a', 'f')", "0"},
      {"return redis.pcall('HGET', 'a', 'f').err", "0"},
      {"return redis.call('HGET', 'a', 'f')", "0"},
      {"local x = 1\n\nreturn redis.call('HGET', 'a', 'f')", "0"},
      {"return redis.call('NONSENSE', 'a')", "0"},
      {"return redis.call('GET')", "0"},
      {"return redis.call()", "0"},
      {"return redis.call('GET', {})", "0"},
      {"error('mine')", "0"},
      {"error({err = 'MINE and more'})", "0"},
      {"local t = nil\nreturn t.x", "0"},
      {"return undefined_name", "0"},
      {"undefined_name = 1", "0"},
      {"return string.format('%.0f', 1795372057380.0)", "0"},
      {"return tostring(1795372057380123)", "0"},
      {"return table.concat({unpack({1, 2, 3}, 2, 3)}, ',')", "0"},
      {"return (", "0"},
      {"return 1", "1"},
      {"return 1", "-1"},
      {"return 1", "x"},
  };
  for (Arguments call : calls) {
    call.insert(call.begin(), "EVAL");
    expect_equal(real, mini.redis(), call);
  }
  expect_equal(real, mini.redis(), {"EVALSHA", std::string(40, 'f'), "0"});
  expect_equal(real, mini.redis(), {"SCRIPT", "LOAD", "return 'loaded'"});
  const std::string sha = real.command({"SCRIPT", "LOAD", "return 'loaded'"}).text;
  expect_equal(real, mini.redis(), {"EVALSHA", sha, "0"});
  expect_equal(real, mini.redis(), {"SCRIPT", "EXISTS", sha, std::string(40, 'f')});
  expect_equal(real, mini.redis(), {"SCRIPT", "FLUSH"});
  expect_equal(real, mini.redis(), {"EVALSHA", sha, "0"});
  expect_equal(real, mini.redis(), {"ZADD", "z", "3", "c", "1", "a"});
  expect_equal(real, mini.redis(), {"PUBLISH", "c", "payload"});
  expect_equal(real, mini.redis(), {"SPUBLISH", "c", "payload"});
  expect_equal(real, mini.redis(), {"PUBSUB", "NUMSUB", "c", "d"});
  expect_equal(real, mini.redis(), {"PUBSUB", "SHARDNUMSUB", "c"});
  expect_equal(real, mini.redis(), {"EXISTS", "z"});
}

TEST(MiniRedis, ExpiresKeysByItsOwnTimeAndShowsItToScripts) {
  MiniServer mini;
  MiniRedis& redis = mini.redis();
  mini.set_time(1'700'000'000'123'456);
  EXPECT_EQ(redis.run({"TIME"}).strings(), (std::vector<std::string>{"1700000000", "123456"}));
  redis.run({"SET", "k", "v", "PX", "1000"});
  EXPECT_EQ(redis.run({"PTTL", "k"}).num(), 1000);
  mini.set_time(1'700'000'001'122'999);
  EXPECT_EQ(redis.run({"GET", "k"}).str(), "v");
  mini.set_time(1'700'000'001'123'456);
  EXPECT_TRUE(redis.run({"GET", "k"}).is_nil());
  const Value now = redis.run({"EVAL", "return redis.call('TIME')", "0"});
  EXPECT_EQ(now.strings(), (std::vector<std::string>{"1700000001", "123456"}));
}

}  // namespace
}  // namespace mx_rmq::sim
