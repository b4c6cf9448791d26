// E8: what an idle queue sends to a Cluster, seen by MONITOR at each node for a minute; and what it
// keeps open, with few topics and with many.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "support/queue_fixture.hpp"
#include "support/redis_cluster.hpp"

namespace mx_rmq::test {
namespace {

constexpr int nodes = 3;

// What a node is sent from outside from now on, by the name of the command.
class Monitor {
 public:
  explicit Monitor(RedisServer& server) : client_(server.connect()) {
    client_.command({"MONITOR"});
  }
  std::map<std::string, int> until(WaitClock::time_point end) {
    std::map<std::string, int> seen;
    for (;;) {
      const auto left =
          std::chrono::duration_cast<std::chrono::milliseconds>(end - WaitClock::now());
      std::string line;
      try {
        // What came before the end may be read behind it.
        line = client_.receive(std::max(left, 50ms)).str();
      } catch (const std::runtime_error&) {
        return seen;  // nothing more came
      }
      // 1700000000.123456 [0 127.0.0.1:40000] "EVALSHA" ...; what scripts do has "lua" there.
      const auto from = line.find('[');
      const auto name = line.find('"');
      if (from == std::string::npos || name == std::string::npos) continue;
      if (line.find("lua]", from) < name) continue;
      ++seen[line.substr(name + 1, line.find('"', name + 1) - name - 1)];
    }
  }

 private:
  RedisClient client_;
};

std::size_t connections(RedisCluster& cluster, std::size_t node) {
  return occurrences(cluster.node(node).command({"CLIENT", "LIST"}).str(), "name=mx-rmq");
}

TEST(NightlyE, E8_an_idle_queue_sends_one_command_in_ten_seconds_a_topic_and_few_a_node) {
  constexpr int topics = 30;
  constexpr auto stretch = 60s;
  RedisCluster cluster;
  MQConfig config;
  config.redis_url = cluster.url();
  RedisMessageQueue queue(config);
  const auto journal = std::make_shared<Journal>();
  for (int i = 0; i < topics; ++i) {
    queue.register_handler("idle" + std::to_string(i), recorder(journal));
  }
  sync_wait(queue.start_background());
  for (int i = 0; i < topics; ++i) sync_wait(queue.produce("idle" + std::to_string(i), i));
  ASSERT_TRUE(journal->wait_size(topics));
  const auto settled = WaitClock::now() + 10s;  // what follows a message is over
  ASSERT_TRUE(wait_for(patience, [&] { return WaitClock::now() > settled; }));
  std::vector<Monitor> monitors;
  for (std::size_t i = 0; i < nodes; ++i) monitors.emplace_back(cluster.node(i));
  const auto end = WaitClock::now() + stretch;
  std::map<std::string, int> all;
  for (Monitor& each : monitors) {
    for (const auto& [name, count] : each.until(end)) all[name] += count;
  }
  int scripts = 0, others = 0;
  for (const auto& [name, count] : all) {
    std::printf("    %s: %d\n", name.c_str(), count);
    (name == "EVALSHA" ? scripts : others) += count;
  }
  const auto seconds = static_cast<int>(std::chrono::seconds(stretch).count());
  EXPECT_LE(scripts, topics * (seconds / 10 + 1));
  EXPECT_GE(scripts, topics) << "nothing was seen";
  // The subscriber's hello with a look at the role, and now and then the map.
  EXPECT_LE(others, nodes * 2 * (seconds / 20 + 1) + 3 * 4);
  sync_wait(queue.stop());
}

TEST(NightlyE, E8_connections_are_a_constant_times_the_nodes) {
  RedisCluster cluster;
  std::map<int, std::vector<std::size_t>> by_topics;
  for (const int topics : {3, 100, 1000}) {
    MQConfig config;
    config.redis_url = cluster.url();
    config.queue_prefix = "of" + std::to_string(topics);
    RedisMessageQueue queue(config);
    const auto journal = std::make_shared<Journal>();
    Strings names;
    for (int i = 0; i < topics; ++i) {
      names.push_back(
          cluster.topic_on(static_cast<std::size_t>(i % nodes), "topic" + std::to_string(i) + "."));
      queue.register_handler(names.back(), recorder(journal));
    }
    sync_wait(queue.start_background());
    for (const std::string& topic : names) sync_wait(queue.produce(topic, 1));
    ASSERT_TRUE(journal->wait_size(names.size()));
    for (std::size_t i = 0; i < nodes; ++i) {
      by_topics[topics].push_back(connections(cluster, i));
      std::printf("    %d topics, node %zu: %zu connections\n", topics, i,
                  by_topics[topics].back());
    }
    sync_wait(queue.stop());
    sync_wait(queue.cleanup());
  }
  for (std::size_t i = 0; i < nodes; ++i) {
    EXPECT_LE(by_topics[1000][i], by_topics[100][i] + 1);
    EXPECT_LE(by_topics[100][i], 20U) << "two clients with a share of 20 each, and one listens";
  }
}

}  // namespace
}  // namespace mx_rmq::test
