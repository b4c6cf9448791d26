// A topic with partitions on a Redis Cluster: on all nodes, and while one of them is away.
#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "broker/data/partitions.hpp"
#include "support/queue_fixture.hpp"
#include "support/redis_cluster.hpp"

namespace mx_rmq::test {
namespace {

constexpr int partitions = 12;

MQConfig cluster_config(const RedisCluster& cluster) {
  MQConfig config = quick_config(cluster.url());
  config.connect_timeout = 5s;
  config.command_timeout = 2s;
  config.produce_timeout = 60s;
  return config;
}

std::int64_t produced_in(RedisCluster& cluster, const std::string& topic, int partition) {
  const std::string key = key_of(broker::partition_tag(topic, partition), "stats");
  const Value value = cluster.command(key, {"HGET", key, "produced"});
  return value.is_nil() ? 0 : value.num();
}

// A key whose messages go to a partition of that node.
std::string key_on(RedisCluster& cluster, const std::string& topic, std::size_t node) {
  for (int i = 0;; ++i) {
    std::string key = "key-" + std::to_string(i);
    const int partition = broker::partition_of(broker::route_hash(key), partitions);
    if (cluster.owner(broker::partition_tag(topic, partition)) == node) return key;
  }
}

TEST(QueuePartitionsCluster, ATopicIsOnAllNodesAndGoesOnWhileOneIsAway) {
  RedisCluster cluster;
  const std::string topic = cluster.topic_on(0, "wide.");  // its settings are at the first node
  RedisMessageQueue queue(cluster_config(cluster));
  sync_wait(queue.configure(topic, TopicSettings{}.partitions(partitions)));
  auto journal = std::make_shared<Journal>();
  queue.register_handler(topic, recorder(journal));
  sync_wait(queue.start_background());

  std::vector<OutgoingMessage> batch;
  for (int i = 0; i < 600; ++i) {
    ProduceOptions options;
    if (i % 2 == 1) options.key("key-" + std::to_string(i));
    batch.emplace_back(topic, i, options);
  }
  for (int i = 0; i < 60; ++i) sync_wait(queue.produce(topic, 1000 + i));
  const auto sent = sync_wait(queue.produce_batch(std::move(batch)));
  ASSERT_TRUE(journal->wait_size(660));
  std::set<std::size_t> nodes;
  for (int i = 0; i < partitions; ++i) {
    EXPECT_GT(produced_in(cluster, topic, i), 0) << i;
    nodes.insert(cluster.owner(broker::partition_tag(topic, i)));
  }
  EXPECT_EQ(nodes.size(), 3U);

  const std::string lost_key = key_on(cluster, topic, 2);
  const std::string other_key = key_on(cluster, topic, 1);
  ASSERT_TRUE(wait_for(patience, [&] {
    const auto figures = sync_wait(queue.metrics().collect({topic}));
    return figures.topics.at(topic).counters.completed == 660;
  }));
  cluster.kill9(2);
  for (int i = 0; i < 50; ++i) {
    EXPECT_FALSE(sync_wait(queue.produce(topic, 2000 + i)).empty()) << "it goes elsewhere";
    sync_wait(queue.produce(topic, 3000 + i, ProduceOptions{}.key(other_key)));
  }
  ASSERT_TRUE(journal->wait_size(760));
  EXPECT_EQ(journal->size(), 760U) << "none twice";
  const std::string why = thrown_by([&] { sync_wait(queue.dead_letters().count(topic)); });
  EXPECT_NE(why.find("partition "), std::string::npos) << why;
  EXPECT_NE(why.find(topic), std::string::npos) << why;
  EXPECT_TRUE(wait_for(patience, [&] {
    const HealthReport health = sync_wait(queue.health_check());
    const auto consuming = health.checks.find("consuming");
    return !health.healthy && consuming != health.checks.end() &&
           consuming->second.find("partition ") != std::string::npos;
  })) << "health names what is not consumed";

  cluster.restart(2);
  cluster.wait_until_ok();
  sync_wait(queue.produce(topic, 4000, ProduceOptions{}.key(lost_key)));
  ASSERT_TRUE(journal->wait_size(761));
  EXPECT_EQ(sync_wait(queue.dead_letters().count(topic)), 0);
  sync_wait(queue.stop());
}

}  // namespace
}  // namespace mx_rmq::test
