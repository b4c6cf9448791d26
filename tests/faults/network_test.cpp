// Connections of worker and producer processes that die again and again, fall silent or are slow,
// and wake-ups that are lost or come without a reason.
#include <gtest/gtest.h>

#include <csignal>
#include <mutex>
#include <thread>

#include "faults/arena.hpp"
#include "support/build_kind.hpp"

namespace mx_rmq::faults {
namespace {

ArenaOptions arena_options(const std::string& name) {
  ArenaOptions options;
  options.name = name;
  options.proxied = true;
  options.history = true;
  options.lease = 10s;  // not what these are about
  options.worker_environment = {"MQ_TASK_QUEUE_SIZE=16"};
  options.producer_arguments = {"concurrency=10", "chosen=0.1", "delayed=0.1", "pause_us=10000"};
  return options;
}

// Nobody was told of it, and nothing ran twice.
void expect_unnoticed(Arena& arena, Strings must_see) {
  must_see.emplace_back("server history");
  const Verdict verdict = arena.finish({0s, 0s, std::move(must_see)});
  EXPECT_TRUE(verdict.holds()) << verdict.text() << arena.output();
  EXPECT_EQ(verdict.refused + verdict.unknown, 0) << verdict.text() << arena.output();
  EXPECT_EQ(verdict.runs, verdict.acknowledged) << verdict.text();
}

TEST(FaultsF, F9_connections_that_die_every_50_ms_do_no_harm_and_cause_no_storm) {
  Arena arena(arena_options("F9 all connections cut every 50 ms"));
  for (int i = 0; i < 2; ++i) arena.add_worker();
  for (int i = 0; i < 2; ++i) arena.add_producer(10'000'000);  // until SIGTERM
  ASSERT_TRUE(arena.wait_handled(200)) << arena.output();
  const auto before = arena.proxy().counts().connections;
  const int flaps = 100;
  for (int i = 0; i < flaps; ++i) {
    arena.begin(Fault::cut);
    arena.proxy().end_all(End::fin);
    arena.end(Fault::cut);
    std::this_thread::sleep_for(50ms);  // the rate of the fault
  }
  // Three in the pool and those that listen, of each of four processes.
  EXPECT_LE(arena.proxy().counts().connections - before, flaps * 4u * 6u)
      << "one try a connection and cut";
  EXPECT_TRUE(arena.wait_handled(arena.handled() + 500)) << arena.output();
  for (auto& each : arena.producers()) each->process.signal(SIGTERM);
  arena.heal();
  EXPECT_TRUE(arena.drain());
  expect_unnoticed(arena, {"cut", "ended connections"});
}

TEST(FaultsF, F6_connections_that_fall_silent_for_good_are_left) {
  ArenaOptions options = arena_options("F6 half-open connections");
  options.lease = 3s;
  options.worker_environment.push_back("MQ_COMMAND_TIMEOUT=500ms");
  options.producer_environment = {"MQ_COMMAND_TIMEOUT=500ms"};
  Arena arena(options);
  std::mutex mutex;
  Dice dice(arena.seed());
  // The first twelve, within what they have to carry.
  arena.proxy().plan([&](std::uint64_t connection) -> std::optional<ByteFault> {
    if (connection > 12) return {};
    const std::lock_guard lock(mutex);
    ByteFault fault;
    fault.what = ByteFault::What::stall;
    fault.direction = dice.chance(0.5) ? Direction::to_server : Direction::to_client;
    fault.at = static_cast<std::uint64_t>(dice.between(0, 20'000));
    return fault;
  });
  arena.begin(Fault::stall);
  const std::int64_t messages = 3000;
  for (int i = 0; i < 2; ++i) arena.add_worker();
  arena.add_producer(messages);
  EXPECT_TRUE(arena.wait_handled(messages)) << "while they are silent\n" << arena.output();
  arena.see("silent connections", static_cast<std::int64_t>(arena.proxy().counts().spoiled));
  arena.end(Fault::stall);
  arena.heal();
  EXPECT_TRUE(arena.drain());
  const Verdict verdict = arena.finish({0s, 0s, {"stall", "silent connections", "server history"}});
  EXPECT_TRUE(verdict.holds()) << verdict.text() << arena.output();
  EXPECT_EQ(verdict.acknowledged, messages);
}

TEST(FaultsF, F8_a_way_of_200_ms_to_the_server_and_back_costs_time_only) {
  Arena arena(arena_options("F8 100 ms each way"));
  arena.proxy().delay(100ms, 100ms);
  arena.begin(Fault::delay);
  const std::int64_t messages = 1000;
  for (int i = 0; i < 2; ++i) arena.add_worker();
  arena.add_producer(messages, {"concurrency=100"});
  EXPECT_TRUE(arena.wait_handled(messages)) << arena.output();
  arena.end(Fault::delay);
  arena.heal();
  EXPECT_TRUE(arena.drain());
  expect_unnoticed(arena, {"delay"});
}

// Meanwhile `disturb` is called again and again, for the sets of idle consumers; it tells how often
// it did so.
void disturb_idle(Arena& arena, const std::string& what,
                  std::int64_t (*disturb)(test::RedisClient&, const Strings& sets)) {
  const std::int64_t messages = 1000;
  for (int i = 0; i < 2; ++i) arena.add_worker();
  arena.add_producer(messages, {"concurrency=4"});
  Strings sets;
  for (const auto& topic : arena.options().topics) sets.push_back("mx:{" + topic + "}:idle");
  {
    const std::jthread disturber([&](const std::stop_token& over) {
      auto client = arena.server().connect();
      while (!over.stop_requested()) arena.see(what, disturb(client, sets));
    });
    EXPECT_TRUE(arena.wait_handled(messages)) << arena.output();
  }
  arena.heal();
  EXPECT_TRUE(arena.drain());
  expect_unnoticed(arena, {what});
}

TEST(FaultsF, F11_wake_ups_that_are_lost_delay_messages_and_no_more) {
  Arena arena(arena_options("F11 wake-ups lost"));
  disturb_idle(arena, "idle ones forgotten", [](test::RedisClient& client, const Strings& sets) {
    Strings all{"DEL"};
    all.insert(all.end(), sets.begin(), sets.end());
    std::this_thread::sleep_for(5ms);  // the rate of the fault
    return client.command(all).num();
  });
}

TEST(FaultsF, F11_wake_ups_without_a_reason_do_no_harm) {
  Arena arena(arena_options("F11 wake-ups without a reason"));
  disturb_idle(arena, "wake-ups made", [](test::RedisClient& client, const Strings& sets) {
    std::int64_t made = 0;
    for (const auto& set : sets) {
      const std::string channel = set.substr(0, set.size() - 4) + "to:";
      for (const auto& each : client.command({"ZRANGE", set, "0", "-1"}).strings())
        made += client.command({"PUBLISH", channel + each, "w0"}).num();
      // One that is gone, and has been idle for longest.
      client.command({"ZADD", set, "1", "ghost-" + std::to_string(made)});
    }
    std::this_thread::sleep_for(2ms);  // the rate of the fault
    return made;
  });
}

TEST(FaultsF, F12_connections_are_clogged_one_by_one_and_freed_in_any_order) {
  ArenaOptions options = arena_options("F12 connections clogged one by one");
  // Some of the calls of a clogged connection are given up, most only wait.
  options.worker_environment.push_back("MQ_COMMAND_TIMEOUT=300ms");
  options.producer_environment = {"MQ_COMMAND_TIMEOUT=300ms"};
  Arena arena(options);
  for (int i = 0; i < 3; ++i) arena.add_worker();
  for (int i = 0; i < 2; ++i) arena.add_producer(10'000'000);  // until SIGTERM
  ASSERT_TRUE(arena.wait_handled(100)) << arena.output();
  for (int round = 0; round < 50; ++round) {
    std::vector<std::uint64_t> connections;
    const auto last = arena.proxy().counts().connections;
    for (auto each = last; each > 0 && last - each < 20; --each) connections.push_back(each);
    arena.begin(Fault::stall);
    for (const auto each : connections) {
      arena.proxy().stall_connection(each, true);
      std::this_thread::sleep_for(4ms);  // the rate of the fault
    }
    for (std::size_t i = connections.size(); i > 1; --i)
      std::swap(connections[i - 1], connections[arena.dice().next() % i]);
    for (const auto each : connections) {
      arena.proxy().stall_connection(each, false);
      std::this_thread::sleep_for(4ms);  // the rate of the fault
    }
    arena.end(Fault::stall);
  }
  EXPECT_TRUE(arena.wait_handled(arena.handled() + 200)) << arena.output();
  for (auto& each : arena.producers()) each->process.signal(SIGTERM);
  arena.heal();
  EXPECT_TRUE(arena.drain());
  expect_unnoticed(arena, {"stall"});
}

// Each sweep finds its connection forgotten, and is made again before the next one is; a wait is
// told by its end only.
TEST(FaultsF, F13_a_middlebox_forgets_idle_connections_and_messages_come_late) {
  ArenaOptions options = arena_options("F13 idle connections forgotten");
  options.lease = 30s;
  options.topics = {"jobs"};
  options.worker_environment = {"MQ_COMMAND_TIMEOUT=1s", "MQ_EXPIRED_CHECK_INTERVAL=8s",
                                "MQ_PROCESSING_MONITOR_INTERVAL=30s"};
  options.producer_environment = {"MQ_COMMAND_TIMEOUT=1s"};
  options.producer_arguments = {"concurrency=1", "pause_us=2000000"};
  Arena arena(options);
  arena.proxy().forget_idle(1500ms);
  arena.begin(Fault::stall);
  for (int i = 0; i < 2; ++i) arena.add_worker();
  arena.add_producer(3);
  EXPECT_TRUE(arena.wait_handled(3)) << arena.output();
  arena.see("forgotten connections", static_cast<std::int64_t>(arena.proxy().counts().spoiled));
  arena.end(Fault::stall);
  arena.heal();
  EXPECT_TRUE(arena.drain());
  expect_unnoticed(arena, {"forgotten connections"});
}

}  // namespace
}  // namespace mx_rmq::faults
