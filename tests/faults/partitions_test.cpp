// Group L: a topic gets more partitions under load, while processes die.
#include <gtest/gtest.h>

#include "faults/partition_load.hpp"

namespace mx_rmq::faults {
namespace {

TEST(FaultsL, L1_a_topic_grows_while_workers_are_killed_and_the_server_restarts) {
  constexpr int many = 16;
  Arena arena(
      with_partitions("L1 from 1 to 16 partitions, workers killed, server restarted", many));
  under_load(arena, 1, [&](int) { configure(arena, many); });
  arena.kill_worker(0);
  arena.restart_server();
  expect_active(arena, many);
  ASSERT_TRUE(wait_progress(arena)) << arena.output();
  arena.kill_worker(1);
  quiesce(arena);
  move_ids(arena, many);
  for (int i = 0; i < 2; ++i) arena.add_producer(10'000'000);  // until SIGTERM
  ASSERT_TRUE(wait_progress(arena)) << arena.output();
  arena.kill_worker(0);
  arena.restart_server();
  ASSERT_TRUE(wait_progress(arena)) << arena.output();
  expect_all_used(arena, many);
  verdict_of(arena, {"kill worker", "restart server", "audits"});
}

}  // namespace
}  // namespace mx_rmq::faults
