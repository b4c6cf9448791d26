// Taking over from the dead: many at once, against late acknowledgements, after lost claims, beside
// messages that kill, and with clocks that jump.
#include <gtest/gtest.h>

#include <atomic>

#include "faults/arena.hpp"
#include "faults/stored.hpp"
#include "mx_rmq_scripts.hpp"
#include "support/build_kind.hpp"

namespace mx_rmq::faults {
namespace {

using nlohmann::json;
using test::RedisClient;
using test::Value;

ArenaOptions arena_options(const std::string& name) {
  ArenaOptions options;
  options.name = name;
  options.topics = {"jobs"};
  options.history = true;
  return options;
}

// The scripts of the first topic, called as docs/protocol.md says, by consumers that are no
// process.
class Raw {
 public:
  explicit Raw(Arena& arena) : client_(arena.server().connect()) {}

  std::string key(const std::string& part) const { return "mx:{jobs}:" + part; }
  Strings call(const lua::Script& script, const Strings& keys, const Strings& argv) const {
    Strings command{"EVAL", std::string(script.source), std::to_string(keys.size())};
    for (const auto& each : keys) command.push_back(key(each));
    command.insert(command.end(), argv.begin(), argv.end());
    return command;
  }
  // Takes up to `most` messages under a lease of 1 ms; gives their envelopes.
  Strings claim(const std::string& consumer, int most) {
    const Value reply = client_.command(
        call(lua::claim,
             {"ready:high", "ready:normal", "ready:low", "ready:suspect", "delayed", "delayed:data",
              "processing:" + consumer, "consumers", "idle", "stats", "settings"},
             {std::to_string(most), consumer, "1", "0", "1", "1", "1000000", "100", "0", "0", "0",
              "PUBLISH"}));
    Strings envelopes;
    for (std::size_t i = 7; i < reply.list().size(); ++i) envelopes.push_back(reply[i].str());
    return envelopes;
  }
  void send_ack(const std::string& consumer, std::size_t tags) {
    Strings argv{consumer, "completed", "", "0"};
    for (std::size_t i = 1; i <= tags; ++i) argv.push_back("1." + std::to_string(i));
    client_.send(call(lua::ack, {"processing:" + consumer, "consumers", "stats"}, argv));
  }
  void send_reap(const std::string& consumer) {
    client_.send(call(lua::reap,
                      {"processing:" + consumer, "consumers", "ready:high", "ready:normal",
                       "ready:low", "ready:suspect", "idle", "stats", "dlq", "dlq:data", "ids"},
                      {consumer, "1000", "1000000", "3600000", "0", "PUBLISH"}));
  }
  Value receive() { return client_.receive(); }

 private:
  RedisClient client_;
};

TEST(FaultsB, B7_a_message_that_kills_its_worker_is_one_dead_letter) {
  ArenaOptions options = arena_options("B7 message that kills its worker, 13 beside it");
  options.lease = 500ms;
  Arena arena(options);
  for (int i = 0; i < 14; ++i) {
    json payload;
    payload["do"] = i == 6 ? "abort" : "wait";
    payload["ms"] = 20;
    arena.produce(std::move(payload));
  }
  arena.add_worker();
  arena.heal();
  EXPECT_TRUE(arena.drain());
  const Verdict verdict = arena.finish({0s, 0s, {"poison", "server history"}});
  EXPECT_TRUE(verdict.holds()) << verdict.text() << arena.output();
  EXPECT_EQ(verdict.dead, 1);
  EXPECT_EQ(verdict.handled, 13);
  EXPECT_EQ(verdict.seen.at("poison"), Arena::recoveries + 1) << "workers died";
}

TEST(FaultsB, B8_wall_clocks_of_workers_that_jump_by_a_century_change_nothing) {
  ArenaOptions options = arena_options("B8 workers' clocks jump by up to a century");
  options.topics = {"jobs", "jobs.blocking"};
  options.worker_environment = {"MX_RMQ_FAULTS_CLOCK=1"};
  options.worker_arguments = {"sleep_us=0:2000", "throw=0.05"};
  options.producer_arguments = {"concurrency=20", "delayed=0.3", "delay_ms=0:300", "pause_us=5000"};
  Arena arena(options);
  for (int i = 0; i < 2; ++i) {
    arena.add_worker();
    arena.begin(Fault::clock_jump, arena.workers().back()->pid());
  }
  const std::int64_t messages = test::scaled<std::int64_t>(5000);
  arena.add_producer(messages);
  arena.heal();
  EXPECT_TRUE(arena.drain());
  EXPECT_EQ(arena.stat("expired"), 0) << "the server's clock decides";
  const Verdict verdict = arena.finish({0s, 0s, {"clock jump", "server history"}});
  EXPECT_TRUE(verdict.holds()) << verdict.text() << arena.output();
  EXPECT_EQ(verdict.handled, messages);
  EXPECT_EQ(verdict.explained_total(), verdict.explained.at("retry")) << verdict.text();
}

TEST(FaultsB, B10_eight_that_recover_at_once_recover_each_message_once) {
  const ArenaOptions options = arena_options("B10 eight take over a thousand messages");
  Arena arena(options);
  for (int i = 0; i < 1000; ++i) {
    json payload;
    payload["do"] = "";
    arena.produce(std::move(payload));
  }
  Raw raw(arena);
  std::size_t held = 0;
  for (int i = 0; i < 20; ++i) held += raw.claim("dead" + std::to_string(i) + ".1", 50).size();
  ASSERT_EQ(held, 1000u);
  for (int i = 0; i < 8; ++i) arena.add_worker();
  arena.heal();
  EXPECT_TRUE(arena.drain());
  EXPECT_EQ(arena.stat("recovered"), 1000);
  const Verdict verdict = arena.finish({0s, 0s, {"server history"}});
  EXPECT_TRUE(verdict.holds()) << verdict.text() << arena.output();
  EXPECT_EQ(verdict.runs, 1000);
  for (const Record& each : arena.records())
    EXPECT_TRUE(each.op != Op::run_begins || each.recoveries == 1);
}

TEST(FaultsB, B11_an_acknowledgement_races_a_recovery_and_one_of_them_wins) {
  const ArenaOptions options = arena_options("B11 acknowledgement against recovery");
  Arena arena(options);
  const std::int64_t messages = test::scaled<std::int64_t>(10'000);
  arena.add_producer(messages, {"concurrency=200"});
  ASSERT_TRUE(test::wait_for(60s, [&] { return arena.acknowledged() == messages; }));
  Raw late(arena);
  Raw reaper(arena);
  std::int64_t acknowledged = 0;
  std::int64_t refused = 0;
  for (int i = 0;; ++i) {
    const std::string consumer = "late" + std::to_string(i) + ".1";
    const Strings envelopes = late.claim(consumer, 10);
    if (envelopes.empty()) break;
    std::this_thread::sleep_for(2ms);  // its lease is over
    const bool first = arena.dice().chance(0.5);
    if (first) late.send_ack(consumer, envelopes.size());
    reaper.send_reap(consumer);
    if (!first) late.send_ack(consumer, envelopes.size());
    const std::int64_t settled = late.receive().num();
    const Value reaped = reaper.receive();
    if (settled < 0) {
      refused += static_cast<std::int64_t>(envelopes.size());
      continue;
    }
    ASSERT_EQ(settled, static_cast<std::int64_t>(envelopes.size())) << reaped.dump();
    acknowledged += settled;
    for (const auto& each : envelopes) {
      const auto stored = read_envelope(each);
      ASSERT_TRUE(stored);
      Record record;
      record.op = Op::run_begins;
      record.key = stored->key;
      record.id = stored->id;
      record.attempt = stored->attempt;
      record.recoveries = stored->recoveries;
      record.crc = crc32(stored->payload);
      arena.note(record);
      record.at = 0;
      record.op = Op::run_ends;
      record.outcome = Outcome::ok;
      arena.note(record);
    }
    if (i > 2 * messages / 10) break;  // what came back goes round again: the worker takes the rest
  }
  EXPECT_GT(acknowledged, 0);
  EXPECT_GT(refused, 0);
  arena.add_worker();
  arena.heal();
  EXPECT_TRUE(arena.drain());
  EXPECT_EQ(arena.stat("completed"), messages);
  const Verdict verdict = arena.finish({0s, 0s, {"server history"}});
  EXPECT_TRUE(verdict.holds()) << verdict.text() << arena.output();
  EXPECT_EQ(verdict.runs, messages) << "either acknowledged or handled again, never both";
}

TEST(FaultsB, B12_claims_whose_replies_are_lost_cost_no_recovery_and_no_second_run) {
  ArenaOptions options = arena_options("B12 claims executed, replies lost");
  options.topics = {"jobs", "jobs.blocking"};
  options.proxied = true;
  options.worker_environment = {"MQ_TASK_QUEUE_SIZE=16"};
  Arena arena(options);
  std::atomic<int> lost{0};
  arena.begin(Fault::lose_reply);
  arena.proxy().judge_replies(
      [&, roll = Dice(arena.seed())](const SeenCommand& seen, std::string_view reply) mutable {
        const bool took = seen.script == "claim" && reply.find("mx1 ") != std::string_view::npos;
        if (!took || !roll.chance(0.3)) return ReplyFate::pass;
        ++lost;
        return ReplyFate::lose;
      });
  arena.add_worker();
  const std::int64_t messages = test::scaled<std::int64_t>(2000);
  arena.add_producer(messages, {"concurrency=10", "pause_us=2000"});
  EXPECT_TRUE(arena.wait_handled(messages));
  arena.end(Fault::lose_reply);
  arena.heal();
  EXPECT_TRUE(arena.drain());
  EXPECT_GT(lost, 10);
  EXPECT_EQ(arena.stat("recovered", 0) + arena.stat("recovered", 1), 0);
  const Verdict verdict = arena.finish({0s, 0s, {"lose reply", "server history"}});
  EXPECT_TRUE(verdict.holds()) << verdict.text() << arena.output();
  EXPECT_EQ(verdict.runs, messages);
}

}  // namespace
}  // namespace mx_rmq::faults
