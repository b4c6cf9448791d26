// What a call of each script costs, full batches, on a topic of a few thousand messages and on one
// of a million: none may grow with the length of what it does not touch.
#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "call.hpp"
#include "envelope_text.hpp"
#include "script_text.hpp"
#include "support/redis_server.hpp"
#include "support/wait.hpp"

namespace mx_rmq::test {
namespace {

using Strings = std::vector<std::string>;
using namespace std::chrono_literals;

constexpr int batch_size = 1000;  // the most that MQConfig::batch_size allows
constexpr const char* cost_topic = "t";

// Ready, suspect, delayed and dead messages b<i>, s<i>, d<i>, x<i>; the dead ones have chosen ids.
constexpr const char* populate_script = R"(
local now = tonumber(ARGV[3])
local function e(id, stamp)
  return 'mx1 n 0 0 3 ' .. now .. ' 86400000 ' .. (now + 86400000) .. ' ' .. stamp .. ' ' .. #id .. '\n' .. id .. '\n\n{"k":1}'
end
local function s(n) return string.format('%.0f', n) end
for i = tonumber(ARGV[1]), tonumber(ARGV[2]) do
  redis.call('RPUSH', KEYS[1], e('b' .. i, '0'))
  redis.call('RPUSH', KEYS[2], e('s' .. i, '0'))
  redis.call('HSET', KEYS[4], 'd' .. i, e('d' .. i, '0'))
  redis.call('ZADD', KEYS[3], s(now + 80000000 + i), 'd' .. i)
  redis.call('HSET', KEYS[6], 'x' .. i, 'retries\t\n' .. e('x' .. i, s(now + 90000000)))
  redis.call('ZADD', KEYS[5], s(now - 10000000 + i), 'x' .. i)
  redis.call('HSET', KEYS[7], 'x' .. i, '0')
end)";

// One topic of `size` messages of each kind, and what calls on it cost, in us, the least of
// several.
class Costs {
 public:
  explicit Costs(int size)
      : size_(size),
        client_(server_.connect()),
        scripts_(client_, LoadedScripts::Kind::as_embedded) {}

  void populate() {
    client_.command({"FLUSHALL"}, 60s);
    now_ = client_.command({"TIME"})[0].num() * 1000;
    Strings keys;
    for (const char* part :
         {"ready:normal", "ready:suspect", "delayed", "delayed:data", "dlq", "dlq:data", "ids"})
      keys.push_back(key(cost_topic, part));
    for (int from = 1; from <= size_; from += 20'000) {
      Strings call{"EVAL", populate_script, std::to_string(keys.size())};
      call.insert(call.end(), keys.begin(), keys.end());
      call.insert(call.end(), {std::to_string(from), std::to_string(std::min(from + 19'999, size_)),
                               std::to_string(now_)});
      client_.command(call, 60s);
    }
    claims_ = 0;
  }

  // All scripts; `turn` counts those since populate().
  void round(int turn);

  const std::map<std::string, std::int64_t>& least() const { return least_; }

 private:
  Value run(const std::string& name, const Call& call) {
    client_.command({"CONFIG", "RESETSTAT"});
    Value reply = client_.command(command_of(call, scripts_.sha(call.script)), 60s);
    const std::string info = client_.command({"INFO", "commandstats"}).str();
    const std::string field = "cmdstat_evalsha:calls=1,usec=";
    const std::size_t at = info.find(field);
    std::int64_t took = 0;
    if (at == std::string::npos) throw std::runtime_error("no statistics: " + info);
    std::from_chars(info.data() + at + field.size(), info.data() + info.size(), took);
    const auto [found, first] = least_.emplace(name, took);
    if (!first) found->second = std::min(found->second, took);
    return reply;
  }
  Value run(const std::string& script, const std::string& who, Strings argv, Strings lists = {},
            const std::string& name = "") {
    return run(name.empty() ? script : name,
               {script, cost_topic, who, std::move(argv), std::move(lists), {}});
  }

  EnvelopeText envelope(const std::string& id, std::int64_t expire) const {
    EnvelopeText e;
    e.created = now_;
    e.ttl = 86'400'000;
    e.expire = expire;
    e.id = id;
    e.payload = "{}";
    return e;
  }
  Strings claim(const std::string& who, int lease_ms) {
    const Value reply = run("claim", who,
                            {std::to_string(batch_size), who, std::to_string(lease_ms), "1000",
                             std::to_string(++claims_), "1", "100000000", "16", "0"});
    Strings envelopes;
    for (std::size_t i = 6; i < reply.list().size(); ++i) envelopes.push_back(reply[i].str());
    EXPECT_EQ(envelopes.size(), static_cast<std::size_t>(batch_size)) << reply[1].dump();
    return envelopes;
  }
  std::string tag(std::size_t i) const {
    return std::to_string(claims_) + '.' + std::to_string(i + 1);
  }

  void produce(int turn);
  void settle();
  void take_over();
  void look_after_the_dead(int turn);

  int size_;
  RedisServer server_;
  RedisClient client_;
  LoadedScripts scripts_;
  std::int64_t now_ = 0;
  std::int64_t claims_ = 0;
  std::int64_t batches_ = 0;
  std::map<std::string, std::int64_t> least_;
};

void Costs::produce(int turn) {
  const std::string id = "p" + std::to_string(turn) + '.';
  const auto plain = [&](const std::string& list, std::int64_t expire, const std::string& name) {
    Strings argv{std::to_string(++batches_), "600000", "1", "0", "0", std::to_string(batch_size)};
    for (int i = 0; i < batch_size; ++i)
      argv.push_back(envelope(id + list + std::to_string(i), expire).text());
    run("produce", "p", argv, {list}, name);
  };
  plain("normal", now_ + 86'400'000, "produce");
  Strings argv{std::to_string(++batches_), "600000", "0", "1", "1"};
  for (int i = 0; i < batch_size; ++i) {
    EnvelopeText e = envelope(id + "late" + std::to_string(i), now_ + 86'400'000);
    e.until = now_ + 90'000'000;
    argv.insert(argv.end(), {"0", std::to_string(now_ + 40'000'000 + i), e.id,
                             std::to_string(e.until), e.text()});
  }
  run("produce", "p", argv, {}, "produce, delayed, chosen ids");
  plain("high", now_ - 1000, "produce");
  const Value swept = run("sweep", "",
                          {"c.0", std::to_string(turn + 1), std::to_string(batch_size), "100000000",
                           "dead", "3600000", "0"});
  EXPECT_EQ(swept[2].num(), batch_size);
}

void Costs::settle() {
  for (const std::string kind : {"ack", "retry", "dead", "release"}) {
    const Strings taken = claim("c.0", 600'000);
    Strings tend{"c.0", "600000", std::to_string(claims_), std::to_string(batch_size), "100000000"};
    Strings argv{"c.0"};
    if (kind == "ack") argv.insert(argv.end(), {"completed", "", "0"});
    if (kind == "dead") argv.emplace_back("0");
    for (std::size_t i = 0; i < taken.size(); ++i) {
      tend.push_back(tag(i));
      argv.push_back(tag(i));
      const auto e = EnvelopeText::parse(taken[i]);
      ASSERT_TRUE(e) << taken[i];
      EnvelopeText again = *e;
      ++again.attempts;
      const std::string size = std::to_string(e->head().size());
      if (kind == "retry") argv.insert(argv.end(), {"50000000", e->id, size, again.head()});
      if (kind == "dead") argv.insert(argv.end(), {e->id, "retries\t[\"e\",[1]]"});
      if (kind == "release") argv.insert(argv.end(), {size, again.head()});
    }
    EXPECT_EQ(run("tend", "c.0", tend).list().size(), 3U) << "nothing is missing";
    const Value reply = run(kind, "c.0", argv);
    EXPECT_EQ(kind == "ack"                                  ? reply.num()
              : reply[kind == "dead" ? 1 : 2].dump() == "ok" ? 0
                                                             : batch_size,
              batch_size);
  }
}

void Costs::take_over() {
  claim("d.0", 1);
  const auto ends = client_.command({"ZSCORE", key(cost_topic, "consumers"), "d.0"}).num();
  ASSERT_TRUE(wait_for(10s, [&] {
    const Value time = client_.command({"TIME"});
    return time[0].num() * 1000 + time[1].num() / 1000 > ends;
  }));
  const Value reaped =
      run("reap", "d.0", {"d.0", std::to_string(batch_size), "100000000", "3600000", "0"});
  EXPECT_EQ(reaped[3].num() + reaped[4].num(), batch_size) << reaped.dump();
  const Value one = run("suspect", "s.0", {"s.0", "600000", std::to_string(++claims_), "1"});
  EXPECT_EQ(one.list().size(), 4U);
  client_.command({"DEL", key(cost_topic, "processing:s.0")});
  run("leave", "s.0", {"s.0", "0", "0"});
  run("arm", "", {});
}

void Costs::look_after_the_dead(int turn) {
  const auto named = [&](const char* kind, int i) { return kind + std::to_string(i); };
  EXPECT_EQ(run("cancel", "", {named("d", size_ / 2 + turn)}).num(), 1);
  EXPECT_EQ(run("cancel_page", "", {"nobody", "0", std::to_string(batch_size), "100000000"},
                {"normal"})[1]
                .num(),
            batch_size);
  EXPECT_EQ(run("dlq_get", "", {named("x", size_ / 2 + turn)}).list().size(), 2U);
  for (const int offset : {0, size_ / 2}) {
    const Value page =
        run("dlq_list", "", {std::to_string(offset), std::to_string(batch_size), "100000000"});
    EXPECT_EQ(page[0].num(), batch_size);
  }
  EXPECT_EQ(run("requeue", "", {named("x", size_ / 2 + turn)})[1].str(), "ok");
  Strings members;
  for (int i = 0; i < batch_size; ++i) members.push_back(named("x", size_ - turn * batch_size - i));
  EXPECT_EQ(run("dlq_remove", "", members).num(), batch_size);
  EXPECT_EQ(run("requeue_all", "", {"0", "0", std::to_string(batch_size), "100000000"})[1].num(),
            batch_size);
  EXPECT_EQ(run("dlq_purge", "", {"0", std::to_string(batch_size), "100000000"})[1].num(),
            batch_size);
  run("stats", "", {"10"});
}

void Costs::round(int turn) {
  produce(turn);
  settle();
  take_over();
  look_after_the_dead(turn);
}

TEST(NightlyA, A8_no_script_costs_more_on_a_million_messages) {
  constexpr int rounds = 8;
  Costs few(4000);
  for (int i = 0; i < rounds; ++i) {
    few.populate();
    few.round(0);
  }
  Costs many(1'000'000);
  many.populate();
  for (int i = 0; i < rounds; ++i) many.round(i);
  std::printf("| script, %d messages a call | topic of 4,000 | of 1,000,000 |\n|---|--:|--:|\n",
              batch_size);
  std::size_t scripts = 0;
  for (const auto& [name, us] : few.least()) {
    const std::int64_t then = many.least().at(name);
    std::printf("| %s | %ld us | %ld us |\n", name.c_str(), us, then);
    EXPECT_LE(then, 5 * std::max<std::int64_t>(us, 50)) << name << " grows with the queue";
    EXPECT_LE(then, 100'000) << name;
    scripts += name.find(',') == std::string::npos;
  }
  // audit alone reads everything, and nothing in the library calls it.
  EXPECT_EQ(scripts + 1, script_sources().size());
}

}  // namespace
}  // namespace mx_rmq::test
