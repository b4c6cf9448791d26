// Group D: failovers by Sentinels under load.
#include <gtest/gtest.h>

#include "faults/sentinel_load.hpp"

namespace mx_rmq::faults {
namespace {

TEST(FaultsD, D1_the_master_is_killed) {
  Arena arena(behind_sentinels("D1 the master killed (SIGKILL)"));
  begin_load(arena);
  const std::size_t old = arena.sentinels().master();
  arena.begin(Fault::failover);
  arena.sentinels().server(old).kill9();
  const std::size_t next = arena.sentinels().await_master_other_than(old);
  const auto gap = time_to_go_on(arena, arena.sentinels().server(next));
  arena.follow_master();
  arena.end(Fault::failover);
  tell("ms until work went on after the promotion", gap.count());
  EXPECT_LT(gap, 1s);
  const Verdict verdict = end_load(arena, 200ms);
  // What the replica had not been sent when the master died.
  EXPECT_LE(verdict.forgotten, 20);
}

TEST(FaultsD, D5_a_manual_failover) {
  Arena arena(behind_sentinels("D5 SENTINEL FAILOVER"));
  begin_load(arena);
  const std::size_t old = arena.sentinels().master();
  StayingClient staying(arena.server());
  ASSERT_TRUE(test::wait_for(10s, [&] { return staying.acknowledged() > 100; }));
  arena.begin(Fault::failover);
  arena.sentinels().begin_failover();
  const std::size_t next = arena.sentinels().await_master_other_than(old);
  const auto gap = time_to_go_on(arena, arena.sentinels().server(next));
  arena.follow_master();
  arena.end(Fault::failover);
  tell("ms until work went on after the promotion", gap.count());
  EXPECT_LT(gap, 1s);
  const auto before = staying.acknowledged();
  EXPECT_TRUE(test::wait_for(10s, [&] { return staying.acknowledged() > before + 200; }))
      << "the old master takes writes for seconds";
  staying.stop();
  const std::int64_t stayed = staying.lost_at(arena.server());
  tell("writes of a client that stayed", staying.acknowledged());
  tell("of them lost", stayed);
  EXPECT_GT(stayed, 0) << "the fault did not bite";
  const Verdict verdict = end_load(arena, 1s);
  EXPECT_LT(verdict.forgotten, verdict.acknowledged / 2);
}

}  // namespace
}  // namespace mx_rmq::faults
