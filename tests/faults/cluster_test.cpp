// Group E: nodes of a Cluster that die, hand over, and give slots away, under load.
#include <gtest/gtest.h>

#include "faults/cluster_load.hpp"

namespace mx_rmq::faults {
namespace {

TEST(FaultsE, E1_a_master_is_killed_and_topics_of_other_nodes_do_not_notice) {
  Arena arena(on_cluster("E1 a master killed (SIGKILL)", 1));
  SteadyProducer elsewhere(arena.url(), topic_at(2, "elsewhere."));
  begin_cluster_load(arena);
  elsewhere.forget();
  arena.begin(Fault::failover);
  arena.cluster().kill9(1);
  const auto died = test::WaitClock::now();
  const bool promoted = test::wait_for(20s, [&] {
    const std::string info = arena.cluster().node(4).command({"INFO", "replication"}).str();
    return info.find("role:master") != std::string::npos;
  });
  ASSERT_TRUE(promoted);
  const auto election =
      std::chrono::duration_cast<std::chrono::milliseconds>(test::WaitClock::now() - died);
  const auto began = test::WaitClock::now();
  arena.produce({{"after", "promotion"}});
  const auto gap =
      std::chrono::duration_cast<std::chrono::milliseconds>(test::WaitClock::now() - began);
  EXPECT_TRUE(wait_progress(arena)) << arena.output();
  arena.end(Fault::failover);
  tell_figure("ms until the replica was the master", election.count());
  tell_figure("ms until a message got through after that", gap.count());
  EXPECT_LT(gap, 1s);
  elsewhere.expect_undisturbed();
  elsewhere.stop();
  end_cluster_load(arena, 500ms);
}

TEST(FaultsE, E2_graceful_failovers_lose_nothing) {
  Arena arena(on_cluster("E2 CLUSTER FAILOVER", 1));
  begin_cluster_load(arena);
  for (const std::size_t next : {std::size_t{4}, std::size_t{1}}) {
    arena.begin(Fault::switchover);
    arena.cluster().fail_over_to(next);
    EXPECT_TRUE(wait_progress(arena)) << arena.output();
    arena.end(Fault::switchover);
    arena.cluster().wait_until_ok();
  }
  const Verdict verdict = end_cluster_load(arena, 0s);
  EXPECT_EQ(verdict.refused + verdict.unknown, 0) << "no error reaches users";
}

TEST(FaultsE, E4_slots_move_under_load) {
  Arena arena(on_cluster("E4 slots moved", 0));
  begin_cluster_load(arena);
  const int slot = test::RedisCluster::slot(arena.options().topics[0]);
  std::size_t at = 1;
  for (const std::size_t next : {std::size_t{2}, std::size_t{0}, std::size_t{1}}) {
    arena.begin(Fault::move_slot);
    arena.cluster().begin_move(slot, at, next);
    // Key by key, while new ones come.
    while (arena.cluster().move_keys(slot, at, next, 1) > 0) {
    }
    arena.cluster().end_move(slot, next);
    arena.end(Fault::move_slot);
    at = next;
    EXPECT_TRUE(wait_progress(arena)) << arena.output();
  }
  const Verdict verdict = end_cluster_load(arena, 0s);
  EXPECT_EQ(verdict.refused + verdict.unknown, 0) << "no error reaches users";
}

}  // namespace
}  // namespace mx_rmq::faults
