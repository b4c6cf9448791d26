// Group E: what takes long on a Cluster: failovers again and again, a master that stands still,
// slots that move with backlogs of any size or stay half over, nodes that come and go.
#include <gtest/gtest.h>

#include <algorithm>

#include "faults/cluster_load.hpp"
#include "faults/staying_client.hpp"

namespace mx_rmq::faults {
namespace {

constexpr std::size_t here = 1;   // the master where things happen
constexpr std::size_t after = 4;  // its replica

// Error replies of a kind that the nodes have given, as far as they count them.
std::int64_t errors_given(test::RedisCluster& cluster, const std::string& code) {
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < cluster.size(); ++i) {
    if (!cluster.is_up(i)) continue;
    const std::string info = cluster.node(i).command({"INFO", "everything"}).str();
    const std::string name = "errorstat_" + code + ":count=";
    const std::size_t at = info.find(name);
    if (at != std::string::npos) sum += std::stoll(info.substr(at + name.size()));
  }
  return sum;
}

void see_errors(Arena& arena) {
  for (const char* code : {"MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN", "NOSCRIPT"}) {
    const std::int64_t times = errors_given(arena.cluster(), code);
    if (times > 0) arena.see(code, times);
    tell_figure(code, times);
  }
}

void expect_no_error_reached_users(const Verdict& verdict) {
  EXPECT_EQ(verdict.refused + verdict.unknown, 0) << "no error reaches users";
}

TEST(NightlyE, E2_twenty_graceful_failovers_lose_nothing) {
  Arena arena(on_cluster("E2 CLUSTER FAILOVER twenty times", 1));
  SteadyProducer producer(arena.url(), topic_at(here, "steady."));
  begin_cluster_load(arena);
  producer.forget();
  for (int i = 0; i < 20; ++i) {
    arena.begin(Fault::switchover);
    arena.cluster().fail_over_to(i % 2 == 0 ? after : here);
    ASSERT_TRUE(wait_progress(arena, 50)) << i << arena.output();
    arena.end(Fault::switchover);
    arena.cluster().wait_until_ok();
  }
  tell_figure("ms that a produce took at most", producer.longest().count());
  producer.stop();
  expect_no_error_reached_users(end_cluster_load(arena, 0s));
}

// As in a network that is parted: its replica takes over, and it goes on as if nothing had
// happened.
TEST(NightlyE, E3_a_master_stands_still_and_goes_on) {
  Arena arena(on_cluster("E3 a master stopped (SIGSTOP) for 8 s", 1));
  begin_cluster_load(arena);
  const std::string key = "staying{" + arena.options().topics[0] + "}";
  StayingClient staying(arena.cluster().node(here), key);
  ASSERT_TRUE(test::wait_for(10s, [&] { return staying.acknowledged() > 100; }));
  arena.begin(Fault::failover);
  const auto began = test::WaitClock::now();
  arena.cluster().pause(here);
  ASSERT_TRUE(test::wait_for(20s, [&] {
    const std::string info = arena.cluster().node(after).command({"INFO", "replication"}).str();
    return info.find("role:master") != std::string::npos;
  }));
  const auto promoted = test::WaitClock::now();
  arena.produce({{"after", "promotion"}});
  const auto gap =
      std::chrono::duration_cast<std::chrono::milliseconds>(test::WaitClock::now() - promoted);
  tell_figure("ms until a message got through after the promotion", gap.count());
  EXPECT_LT(gap, 1s);
  EXPECT_TRUE(wait_progress(arena)) << arena.output();
  std::this_thread::sleep_until(began + 8s);  // how long the fault lasts
  arena.cluster().resume(here);
  arena.cluster().wait_until_ok();
  arena.end(Fault::failover);
  EXPECT_TRUE(wait_progress(arena)) << arena.output();
  staying.stop();
  tell_figure("writes of a client that stayed", staying.acknowledged());
  tell_figure("of them lost", staying.lost_at(arena.cluster().node(after)));
  const Verdict verdict = end_cluster_load(arena, 500ms);
  EXPECT_LE(verdict.forgotten, 50);
}

// By the tool that people use: a thousand slots, that of the topic among them, to and fro.
TEST(NightlyE, E4_a_thousand_slots_are_resharded_by_redis_cli_under_load) {
  ArenaOptions options = on_cluster("E4 redis-cli --cluster reshard, 1,000 slots", 0);
  // Among the first slots of master 1, which are those that move.
  const auto moving_topic = [](const std::string& stem) {
    for (int i = 0;; ++i) {
      std::string topic = stem + std::to_string(i);
      if (std::abs(test::RedisCluster::slot(topic) - 16384 / 3 - 400) < 300) return topic;
    }
  };
  const std::string topic = options.topics[0] = moving_topic("resharded.");
  Arena arena(options);
  SteadyProducer producer(arena.url(), moving_topic("steady."));
  begin_cluster_load(arena);
  producer.forget();
  test::RedisCluster& cluster = arena.cluster();
  const auto reshard = [&](std::size_t from, std::size_t to) {
    test::ChildOptions child;
    child.arguments = {
        "--cluster",      "reshard",         "127.0.0.1:" + std::to_string(cluster.node(0).port()),
        "--cluster-from", cluster.id(from),  "--cluster-to",
        cluster.id(to),   "--cluster-slots", "1000",
        "--cluster-yes"};
    child.output_file = arena.server().directory() + "/reshard";
    // It refuses until all nodes tell the same.
    ASSERT_TRUE(test::wait_for(60s, [&] {
      auto process = test::ChildProcess::start("redis-cli", child);
      const auto end = process.wait(120s);
      return end && end->exited && end->code == 0;
    })) << last_of(child.output_file);
  };
  for (int i = 0; i < 3; ++i) {
    arena.begin(Fault::move_slot);
    reshard(1, 2);
    EXPECT_EQ(cluster.owner(topic), 2U) << topic;
    ASSERT_TRUE(wait_progress(arena, 50)) << arena.output();
    reshard(2, 1);
    arena.end(Fault::move_slot);
    ASSERT_TRUE(wait_progress(arena, 50)) << arena.output();
  }
  tell_figure("ms that a produce took at most", producer.longest().count());
  producer.stop();
  see_errors(arena);
  expect_no_error_reached_users(end_cluster_load(arena, 0s));
}

class NightlyEBacklog : public ::testing::TestWithParam<int> {};

// First with nobody who works there, then under load; each time it stays half over until somebody
// was sent away because of that.
TEST_P(NightlyEBacklog, E4_a_slot_moves_with_so_many_messages_and_back) {
  const int backlog = GetParam();
  ArenaOptions options =
      on_cluster("E4 a slot moved, " + std::to_string(backlog) + " messages waiting", 0);
  options.topics.resize(1);
  Arena arena(options);
  test::RedisCluster& cluster = arena.cluster();
  const int slot = test::RedisCluster::slot(options.topics[0]);
  for (int i = 0; i < backlog; ++i) arena.produce({{"n", i}});
  std::size_t at = here;
  const auto move = [&](std::size_t to, bool under_load) {
    const std::int64_t before = errors_given(cluster, "TRYAGAIN");
    arena.begin(Fault::move_slot);
    cluster.begin_move(slot, at, to);
    const std::size_t moved = cluster.move_keys(slot, at, to, 1);
    if (under_load && moved > 0) {
      EXPECT_TRUE(test::wait_for(30s, [&] { return errors_given(cluster, "TRYAGAIN") > before; }))
          << arena.output();
    }
    while (cluster.move_keys(slot, at, to, 1) > 0) {
    }
    cluster.end_move(slot, to);
    arena.end(Fault::move_slot);
    at = to;
  };
  for (const std::size_t to : {std::size_t{2}, std::size_t{0}, here}) {
    move(to, false);
    arena.produce({{"after", to}});
  }
  begin_cluster_load(arena);
  for (const std::size_t to : {std::size_t{2}, std::size_t{0}, here}) {
    move(to, true);
    ASSERT_TRUE(wait_progress(arena, 50)) << arena.output();
  }
  see_errors(arena);
  expect_no_error_reached_users(end_cluster_load(arena, 0s));
}

INSTANTIATE_TEST_SUITE_P(Messages, NightlyEBacklog, ::testing::Values(0, 1, 2, 100, 10'000),
                         ::testing::PrintToStringParamName());

// Some keys here, some there, in an order by chance: its topic stands still, others do not notice,
// and it goes on when the slot is whole again.
TEST(NightlyE, E5_a_slot_stays_half_over_for_ten_seconds) {
  ArenaOptions options = on_cluster("E5 a slot half over for 10 s", 0);
  options.producer_environment = {"MQ_PRODUCE_TIMEOUT=60s"};
  Arena arena(options);
  SteadyProducer elsewhere(arena.url(), topic_at(2, "elsewhere."));
  begin_cluster_load(arena);
  elsewhere.forget();
  test::RedisCluster& cluster = arena.cluster();
  const int slot = test::RedisCluster::slot(options.topics[0]);
  const std::string number = std::to_string(slot);
  const auto half_over = [&](std::size_t from, std::size_t to) {
    arena.begin(Fault::move_slot);
    cluster.begin_move(slot, from, to);
    auto keys = cluster.node(from).command({"CLUSTER", "GETKEYSINSLOT", number, "100"}).strings();
    EXPECT_GT(keys.size(), 1U);
    for (std::size_t left = keys.size() / 2; left > 0; --left) {
      std::swap(keys[arena.dice().next() % keys.size()], keys.back());
      cluster.node(from).command({"MIGRATE", "127.0.0.1", std::to_string(cluster.node(to).port()),
                                  keys.back(), "0", "20000"});
      keys.pop_back();
    }
    std::this_thread::sleep_for(10s);  // how long the fault lasts
  };
  // On to the other end.
  half_over(here, 2);
  while (cluster.move_keys(slot, here, 2, 1) > 0) {
  }
  cluster.end_move(slot, 2);
  arena.end(Fault::move_slot);
  ASSERT_TRUE(wait_progress(arena)) << arena.output();
  half_over(2, 0);
  while (cluster.move_keys(slot, 2, 0, 1) > 0) {
  }
  cluster.end_move(slot, 0);
  arena.end(Fault::move_slot);
  ASSERT_TRUE(wait_progress(arena)) << arena.output();
  // Given up before anything has gone over.
  arena.begin(Fault::move_slot);
  cluster.begin_move(slot, 0, 2);
  std::this_thread::sleep_for(2s);  // how long the fault lasts
  for (const std::size_t each : {std::size_t{0}, std::size_t{2}}) {
    cluster.node(each).command({"CLUSTER", "SETSLOT", number, "STABLE"});
  }
  arena.end(Fault::move_slot);
  ASSERT_TRUE(wait_progress(arena)) << arena.output();
  elsewhere.expect_undisturbed();
  elsewhere.stop();
  see_errors(arena);
  expect_no_error_reached_users(end_cluster_load(arena, 0s));
}

// As when a container comes back with its data and another address.
TEST(NightlyE, E7_a_node_changes_its_address_under_load) {
  ArenaOptions options = on_cluster("E7 a node comes back at another address, five times", 0);
  options.redis.appendonly = true;
  options.redis.appendfsync = "always";
  options.producer_environment = {"MQ_PRODUCE_TIMEOUT=60s"};
  Arena arena(options);
  SteadyProducer elsewhere(arena.url(), topic_at(2, "elsewhere."));
  begin_cluster_load(arena);
  elsewhere.forget();
  std::int64_t longest = 0;
  for (int i = 0; i < 5; ++i) {
    arena.begin(Fault::restart_server);
    arena.cluster().restart_elsewhere(here);
    const auto back = test::WaitClock::now();
    arena.produce({{"after", "the change"}});
    const auto gap =
        std::chrono::duration_cast<std::chrono::milliseconds>(test::WaitClock::now() - back);
    longest = std::max<std::int64_t>(longest, gap.count());
    ASSERT_TRUE(wait_progress(arena)) << arena.output();
    arena.end(Fault::restart_server);
    arena.cluster().wait_until_ok();
  }
  tell_figure("ms until a message got through after a change, at most", longest);
  elsewhere.expect_undisturbed();
  elsewhere.stop();
  see_errors(arena);
  expect_no_error_reached_users(end_cluster_load(arena, 0s));
}

// One that has served nothing gets slots, and is empty again, and gone.
TEST(NightlyE, E7_a_node_is_added_and_removed_under_load) {
  ArenaOptions options = on_cluster("E7 a node added and removed", 0);
  options.cluster->spare = 1;
  Arena arena(options);
  begin_cluster_load(arena);
  test::RedisCluster& cluster = arena.cluster();
  const std::size_t added = 3;
  const int slot = test::RedisCluster::slot(options.topics[0]);
  arena.begin(Fault::move_slot);
  cluster.move_slot(slot, here, added);
  ASSERT_TRUE(wait_progress(arena)) << arena.output();
  cluster.move_slot(slot, added, 2);
  const std::string id = cluster.id(added);
  for (std::size_t i = 0; i < 3; ++i) cluster.node(i).command({"CLUSTER", "FORGET", id});
  cluster.kill9(added);
  arena.end(Fault::move_slot);
  ASSERT_TRUE(wait_progress(arena)) << arena.output();
  see_errors(arena);
  for (auto& each : arena.producers()) each->process.signal(SIGTERM);
  EXPECT_TRUE(arena.drain());
  const Verdict verdict = arena.finish();
  EXPECT_TRUE(verdict.holds()) << verdict.text() << arena.output();
  expect_no_error_reached_users(verdict);
}

}  // namespace
}  // namespace mx_rmq::faults
