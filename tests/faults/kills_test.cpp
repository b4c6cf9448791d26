// Processes that die in the middle of everything: workers, producers, the server.
#include <gtest/gtest.h>

#include "faults/arena.hpp"
#include "support/build_kind.hpp"

namespace mx_rmq::faults {
namespace {

TEST(FaultsB, B1_workers_killed_in_the_middle_of_handlers) {
  ArenaOptions options;
  options.name = "B1 workers killed (SIGKILL) in handlers";
  options.history = true;
  options.lease = 1s;
  options.worker_arguments = {"sleep_us=0:20000"};
  options.worker_environment = {"MQ_TASK_QUEUE_SIZE=16"};
  Arena arena(options);
  const std::int64_t messages = test::scaled<std::int64_t>(2000);
  for (int i = 0; i < 4; ++i) arena.add_worker();
  arena.add_producer(messages, {"concurrency=20", "pause_us=40000"});
  int kills = 0;
  while (arena.handled() < messages * 9 / 10 && kills < 200) {
    const auto before = arena.handled();
    ASSERT_TRUE(arena.wait_handled(before + 1)) << arena.output();
    std::this_thread::sleep_for(200ms);  // the rate of the fault
    arena.kill_worker(arena.dice().next() % 4);
    ++kills;
  }
  arena.heal();
  EXPECT_TRUE(arena.drain());
  Rules rules;
  rules.must_see = {"kill worker", "redelivery", "audits", "server history"};
  const Verdict verdict = arena.finish(rules);
  EXPECT_TRUE(verdict.holds()) << verdict.text() << arena.output();
  EXPECT_EQ(verdict.acknowledged, messages);
  EXPECT_EQ(verdict.handled, messages);
  // At most what was running when its worker died: 10 runs of two topics.
  EXPECT_LE(verdict.explained_total(), kills * 10);
}

class ServerKilled : public ::testing::TestWithParam<const char*> {};

TEST_P(ServerKilled, C1_C2_under_load) {
  const std::string fsync = GetParam();
  const bool always = fsync == "always";
  const Fault fault = always ? Fault::kill_server : Fault::kill_everysec;
  ArenaOptions options;
  options.name = (always ? "C1" : "C2") + (" server killed, appendfsync " + fsync);
  options.redis.appendfsync = fsync;
  options.history = true;
  options.worker_arguments = {"sleep_us=0:3000"};
  options.worker_environment = {"MQ_TASK_QUEUE_SIZE=32"};
  options.producer_arguments = {"concurrency=8", "chosen=0.1", "delayed=0.1", "ranked=0.2"};
  Arena arena(options);
  for (int i = 0; i < 3; ++i) arena.add_worker();
  // Until SIGTERM.
  for (int i = 0; i < 5; ++i) arena.add_producer(1'000'000, {"pause_us=10000"});
  for (int kill = 0; kill < 10; ++kill) {
    const auto acknowledged = arena.acknowledged();
    const auto handled = arena.handled();
    ASSERT_TRUE(test::wait_for(
        60s,
        [&] {
          return arena.acknowledged() > acknowledged + 300 && arena.handled() > handled + 300;
        },
        5ms))
        << arena.output();
    arena.kill_server(fault);
  }
  EXPECT_TRUE(test::wait_for(60s, [&] { return arena.has_seen("audits"); })) << arena.output();
  for (auto& each : arena.producers()) each->process.signal(SIGTERM);
  arena.heal();
  EXPECT_TRUE(arena.drain());
  Rules rules;
  if (!always) rules.forgets = 2s;
  rules.must_see = {std::string(kind_of(fault).name), "audits", "server history"};
  const Verdict verdict = arena.finish(rules);
  EXPECT_TRUE(verdict.holds()) << verdict.text() << arena.output();
  EXPECT_GE(verdict.acknowledged, 3000);
}

INSTANTIATE_TEST_SUITE_P(FaultsC, ServerKilled, ::testing::Values("always", "everysec"),
                         [](const auto& each) { return std::string(each.param); });

}  // namespace
}  // namespace mx_rmq::faults
