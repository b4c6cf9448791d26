// The power fails: what redis-server had not synced is gone. Done by withholding what it writes to
// its append-only file until it syncs (preload/lazyaof.cpp), and SIGKILL.
#include <gtest/gtest.h>

#include "faults/arena.hpp"
#include "support/paths.hpp"

namespace mx_rmq::faults {
namespace {

class PowerCut : public ::testing::TestWithParam<const char*> {
 protected:
  static ArenaOptions options(const std::string& name, const std::string& fsync) {
    ArenaOptions made;
    made.name = name + fsync;
    made.redis.appendfsync = fsync;
    made.redis.environment = {"LD_PRELOAD=" + test::fault_program("liblazyaof.so")};
    made.history = true;
    made.worker_arguments = {"sleep_us=0:3000", "throw=0.01"};
    made.worker_environment = {"MQ_TASK_QUEUE_SIZE=32"};
    made.producer_arguments = {"concurrency=8", "chosen=0.1", "delayed=0.1", "ranked=0.2",
                               "pause_us=10000"};
    return made;
  }
};

TEST_P(PowerCut, C1_C2_loses_nothing_but_what_everysec_may_forget) {
  const std::string fsync = GetParam();
  const bool always = fsync == "always";
  Arena arena(options(always ? "C1 power cut, appendfsync " : "C2 power cut, appendfsync ", fsync));
  for (int i = 0; i < 3; ++i) arena.add_worker();
  for (int i = 0; i < 3; ++i) arena.add_producer(1'000'000);  // until SIGTERM
  for (int cut = 0; cut < 4; ++cut) {
    const auto acknowledged = arena.acknowledged();
    const auto handled = arena.handled();
    ASSERT_TRUE(test::wait_for(
        60s,
        [&] {
          return arena.acknowledged() > acknowledged + 300 && arena.handled() > handled + 300;
        },
        5ms))
        << arena.output();
    // Every other cut comes late enough for the bound to mean something.
    if (cut % 2 == 1) std::this_thread::sleep_for(2500ms);
    arena.kill_server(Fault::power_cut);
  }
  for (auto& each : arena.producers()) each->process.signal(SIGTERM);
  arena.heal();
  EXPECT_TRUE(arena.drain());
  Rules rules;
  if (!always) rules.forgets = 2s;
  rules.must_see = {"power cut", "audits", "server history"};
  // Else the cut has not cut anything off.
  if (!always) rules.must_see.emplace_back("forgotten");
  const Verdict verdict = arena.finish(rules);
  EXPECT_TRUE(verdict.holds()) << verdict.text() << arena.output();
  EXPECT_GE(verdict.acknowledged, 1500);
}

INSTANTIATE_TEST_SUITE_P(FaultsC, PowerCut, ::testing::Values("always", "everysec"),
                         [](const auto& each) { return std::string(each.param); });

// With everysec, and no cut for so long that all was synced: nothing is forgotten.
TEST_F(PowerCut, C2_what_was_synced_is_kept) {
  Arena arena(options("C2 power cut after two quiet seconds, ", "everysec"));
  arena.add_producer(500);
  ASSERT_TRUE(test::wait_for(60s, [&] { return arena.acknowledged() >= 500; })) << arena.output();
  std::this_thread::sleep_for(2s);  // what the promise is about
  arena.kill_server(Fault::power_cut);
  arena.add_worker();
  arena.heal();
  EXPECT_TRUE(arena.drain());
  Rules rules;
  rules.must_see = {"power cut"};
  const Verdict verdict = arena.finish(rules);
  EXPECT_TRUE(verdict.holds()) << verdict.text() << arena.output();
  EXPECT_EQ(verdict.handled, 500);
}

}  // namespace
}  // namespace mx_rmq::faults
