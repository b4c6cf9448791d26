// TLS together with the other kinds of Redis: behind Sentinels, on a Cluster.
#include "support/queue_fixture.hpp"
#include "support/tls_sets.hpp"

namespace mx_rmq::test {
namespace {

MQConfig trusting(const std::string& url, const TlsFiles& files) {
  MQConfig config = quick_config(url);
  config.tls_ca_file = files.path() + "/ca.pem";
  config.connect_timeout = 10s;
  config.produce_timeout = 30s;
  return config;
}

void expect_healthy(RedisMessageQueue& queue) {
  HealthReport report;
  EXPECT_TRUE(wait_for(patience, [&] {
    report = sync_wait(queue.health_check());
    return report.healthy;
  })) << json(report.checks).dump();
}

TEST(QueueTlsKinds, BehindSentinelsTheMasterIsFoundAndFollowedOverTls) {
  const TlsFiles files;
  SentinelSet set(over_tls(files, SentinelOptions()));
  ASSERT_TRUE(set.url().starts_with("rediss+sentinel://"));
  RedisMessageQueue queue(trusting(set.url(), files));
  const auto journal = std::make_shared<Journal>();
  queue.register_handler("t", recorder(journal));
  sync_wait(queue.start_background());
  sync_wait(queue.produce("t", 1));
  ASSERT_TRUE(journal->wait_size(1));
  expect_healthy(queue);
  const std::size_t old = set.master();
  set.begin_failover();
  const std::size_t next = set.await_master_other_than(old);
  // Until the queue has followed, the old master still takes what is produced, and loses it.
  EXPECT_TRUE(wait_for(patience, [&] {
    const std::string calls = set.server(next).command({"INFO", "commandstats"}).str();
    return calls.find("cmdstat_evalsha:") != std::string::npos;
  }));
  sync_wait(queue.produce("t", 2));
  ASSERT_TRUE(journal->wait_size(2));
  EXPECT_TRUE(wait_for(patience, [&] { return stat(set.server(next), "t", "completed") >= 1; }))
      << "at the new master";
  expect_healthy(queue);
  sync_wait(queue.stop());
}

TEST(QueueTlsKinds, OnAClusterTopicsOfAllNodesAreHandledOverTlsAndFollowTheirSlots) {
  const TlsFiles files;
  RedisCluster cluster(over_tls(files, ClusterOptions()));
  ASSERT_TRUE(cluster.url().starts_with("rediss+cluster://"));
  RedisMessageQueue queue(trusting(cluster.url(), files));
  const auto journal = std::make_shared<Journal>();
  Strings topics;
  for (std::size_t i = 0; i < 3; ++i) {
    topics.push_back(cluster.topic_on(i, "node."));
    queue.register_handler(topics.back(), recorder(journal));
  }
  sync_wait(queue.start_background());
  for (const std::string& topic : topics) sync_wait(queue.produce(topic, topic));
  ASSERT_TRUE(journal->wait_size(3));
  expect_healthy(queue);
  cluster.move_slot(RedisCluster::slot(topics[0]), 0, 2);
  sync_wait(queue.produce(topics[0], "moved"));
  EXPECT_TRUE(journal->wait_size(4));
  sync_wait(queue.stop());
  EXPECT_EQ(journal->size(), 4U);
}

TEST(QueueTlsKinds, OneNodesUrlOverTlsLeadsToItsCluster) {
  const TlsFiles files;
  RedisCluster cluster(over_tls(files, ClusterOptions()));
  RedisMessageQueue queue(trusting(cluster.node_url(0), files));
  const auto journal = std::make_shared<Journal>();
  const std::string topic = cluster.topic_on(1, "elsewhere.");
  queue.register_handler(topic, recorder(journal));
  sync_wait(queue.start_background());
  sync_wait(queue.produce(topic, 1));
  EXPECT_TRUE(journal->wait_size(1));
  sync_wait(queue.stop());
}

}  // namespace
}  // namespace mx_rmq::test
