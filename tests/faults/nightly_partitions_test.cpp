// Group L: what takes long: a topic that grows step by step under many faults, and one that is
// spread over a Cluster whose nodes fail over meanwhile.
#include <gtest/gtest.h>

#include "faults/cluster_load.hpp"
#include "faults/partition_load.hpp"

namespace mx_rmq::faults {
namespace {

// One after the other, in each step of the growth.
void inject(Arena& arena, int i) {
  switch (i % 5) {
    case 0:
      return arena.kill_worker(arena.dice().next() % arena.workers().size());
    case 1:
      return arena.restart_server();
    case 2:
      arena.kill_producer(arena.dice().next() % arena.producers().size());
      return;
    case 3:
      return arena.kill_server();
    default:
      return arena.stop_worker(arena.dice().next() % arena.workers().size());
  }
}

TEST(NightlyL, L1_a_topic_grows_step_by_step_under_faults_of_all_kinds) {
  constexpr int many = 16;
  Arena arena(with_partitions("L1 from 1 to 2, 4, 8 and 16 partitions, 40 faults", many));
  for (int i = 0; i < 3; ++i) arena.add_worker();
  int fault = 0;
  for (int partitions = 2; partitions <= many; partitions *= 2) {
    for (int i = 0; i < 2; ++i) arena.add_producer(10'000'000);  // until SIGTERM
    ASSERT_TRUE(wait_progress(arena)) << arena.output();
    configure(arena, partitions);
    for (int i = 0; i < 5; ++i) {
      inject(arena, fault++);
      ASSERT_TRUE(wait_progress(arena)) << "after fault " << fault << '\n' << arena.output();
    }
    expect_active(arena, partitions);
    quiesce(arena);
    arena.kill_worker(0);  // perhaps the one that moves the ids
    move_ids(arena, partitions);
    for (auto& each : arena.producers()) EXPECT_FALSE(each->process.running());
    for (int i = 0; i < 2; ++i) arena.add_producer(10'000'000);
    for (int i = 0; i < 5; ++i) {
      ASSERT_TRUE(wait_progress(arena)) << "after fault " << fault << '\n' << arena.output();
      inject(arena, fault++);
    }
    quiesce(arena);
  }
  expect_all_used(arena, many);
  verdict_of(arena, {"kill worker", "restart server", "kill server", "kill producer", "audits"});
}

// One topic on all three nodes: a failover takes back the last of what some of its partitions did.
TEST(NightlyL, L2_nodes_of_a_topic_with_partitions_are_killed) {
  constexpr int many = 12;
  ArenaOptions options = on_cluster("L2 1 to 12 partitions on 3 nodes, masters killed", 1);
  options.topics = {topic_at(0, "wide.")};
  options.partitions = many;
  options.producer_arguments = {"concurrency=10", "chosen=0.1", "keyed=0.3", "pause_us=5000"};
  Arena arena(options);
  begin_cluster_load(arena);
  configure(arena, many);
  const auto kill = [&](std::size_t master, std::size_t replica) {
    arena.begin(Fault::failover);
    arena.cluster().kill9(master);
    ASSERT_TRUE(test::wait_for(20s, [&] {
      const std::string info = arena.cluster().node(replica).command({"INFO", "replication"}).str();
      return info.find("role:master") != std::string::npos;
    }));
    ASSERT_TRUE(wait_progress(arena)) << arena.output();
    arena.end(Fault::failover);
    arena.cluster().restart(master);
    arena.cluster().wait_until_ok();
  };
  kill(1, 4);
  expect_active(arena, many);
  ASSERT_TRUE(wait_progress(arena)) << arena.output();
  kill(2, 5);
  kill(4, 1);
  const Verdict verdict = end_cluster_load(arena, 500ms);
  expect_all_used(arena, many);
  EXPECT_GT(verdict.acknowledged, 1000);
}

}  // namespace
}  // namespace mx_rmq::faults
