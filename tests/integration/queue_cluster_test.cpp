// A whole queue on a Redis Cluster: the same program, another URL.
#include <atomic>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>

#include "mx_rmq/async.hpp"
#include "support/queue_fixture.hpp"
#include "support/redis_cluster.hpp"

namespace mx_rmq::test {
namespace {

MQConfig cluster_config(const std::string& url) {
  MQConfig config = quick_config(url);
  config.connect_timeout = 3s;
  config.produce_timeout = 10s;
  return config;
}

std::int64_t stat_of(RedisCluster& cluster, const std::string& topic, const std::string& name) {
  const Value value =
      cluster.command(key_of(topic, "stats"), {"HGET", key_of(topic, "stats"), name});
  return value.is_nil() ? 0 : value.num();
}

// Three masters, for all tests that leave them as they are. Topics have names of their own.
class QueueCluster : public ::testing::Test {
 protected:
  static RedisCluster& cluster() {
    static RedisCluster instance;
    return instance;
  }
  static MQConfig config() { return cluster_config(cluster().url()); }
  // A topic at each master.
  static Strings topics(const std::string& stem) {
    Strings all;
    for (std::size_t i = 0; i < 3; ++i) all.push_back(cluster().topic_on(i, stem));
    return all;
  }
  static std::string produce(RedisMessageQueue& queue, const std::string& topic, json payload,
                             ProduceOptions options = ProduceOptions()) {
    return sync_wait(queue.produce(topic, std::move(payload), std::move(options)));
  }
};

TEST_F(QueueCluster, TopicsOfAllNodesAreProducedToAndHandledByOneQueue) {
  RedisMessageQueue queue(config());
  const Strings names = topics("work.");
  std::map<std::string, std::shared_ptr<Journal>> journals;
  for (const std::string& topic : names) {
    journals[topic] = std::make_shared<Journal>();
    queue.register_handler(topic, recorder(journals[topic]));
  }
  sync_wait(queue.start_background());
  for (int i = 0; i < 50; ++i) {
    for (const std::string& topic : names) produce(queue, topic, i);
  }
  for (const std::string& topic : names) {
    ASSERT_TRUE(journals[topic]->wait_size(50)) << topic;
    EXPECT_TRUE(wait_for(patience, [&] { return stat_of(cluster(), topic, "completed") == 50; }));
    EXPECT_EQ(cluster().owner(topic), static_cast<std::size_t>(&topic - names.data()));
  }
  const HealthReport health = sync_wait(queue.health_check());
  EXPECT_TRUE(health.healthy) << json(health.checks).dump();
  sync_wait(queue.stop());
  for (const std::string& topic : names) EXPECT_EQ(journals[topic]->size(), 50U);
}

TEST_F(QueueCluster, WhatIsSetForATopicIsSeenByAllWhicheverNodeHasIt) {
  RedisMessageQueue one(config());
  RedisMessageQueue other(cluster_config(cluster().node_url(2)));
  for (const std::string& topic : topics("set.")) {
    EXPECT_EQ(sync_wait(other.settings(topic)).partitions(), 1);
    sync_wait(one.configure(topic, TopicSettings{}.partitions(3)));
    EXPECT_EQ(sync_wait(other.settings(topic)).partitions(), 3);
    EXPECT_THROW(sync_wait(other.configure(topic, TopicSettings{}.partitions(2))), ServerError);
  }
}

TEST_F(QueueCluster, OneNodesUrlLeadsToAllOfIt) {
  for (std::size_t node = 0; node < 3; ++node) {
    RedisMessageQueue queue(cluster_config(cluster().node_url(node)));
    const Strings names = topics("seed" + std::to_string(node) + ".");
    auto journal = std::make_shared<Journal>();
    for (const std::string& topic : names) queue.register_handler(topic, recorder(journal));
    sync_wait(queue.start_background());
    for (const std::string& topic : names) produce(queue, topic, topic);
    EXPECT_TRUE(journal->wait_size(3));
    const HealthReport health = sync_wait(queue.health_check());
    EXPECT_TRUE(health.healthy) << json(health.checks).dump();
    sync_wait(queue.stop());
  }
}

TEST_F(QueueCluster, DelaysPrioritiesRetriesAndDeadLettersAreTheSame) {
  RedisMessageQueue queue(config());
  const std::string topic = topics("dead.").at(2);
  auto journal = std::make_shared<Journal>();
  queue.register_handler(
      topic,
      [journal](Context& context) -> Task<> {
        journal->add(context);
        if (context.message().payload == "bad") throw std::runtime_error("no");
        co_return;
      },
      HandlerOptions{}.max_retries(1));
  sync_wait(queue.start_background());
  const std::string bad = produce(queue, topic, "bad");
  produce(queue, topic, "later", ProduceOptions{}.delay(50ms));
  produce(queue, topic, "now", ProduceOptions{}.priority(MessagePriority::high));
  ASSERT_TRUE(journal->wait_size(4));
  DeadLetterQueue letters = queue.dead_letters();
  ASSERT_TRUE(wait_for(patience, [&] { return sync_wait(letters.count(topic)) == 1; }));
  const auto page = sync_wait(letters.list(topic));
  ASSERT_EQ(page.size(), 1U);
  EXPECT_EQ(page[0].message.id, bad);
  EXPECT_TRUE(sync_wait(letters.requeue(topic, bad)));
  ASSERT_TRUE(journal->wait_size(6));
  EXPECT_TRUE(wait_for(patience, [&] { return sync_wait(letters.count(topic)) == 1; }));
  sync_wait(queue.stop());
}

TEST_F(QueueCluster, CancelAndMetricsWorkOnTopicsOfAnyNode) {
  RedisMessageQueue queue(config());
  const Strings names = topics("cancel.");
  for (const std::string& topic : names) {
    const std::string id = produce(queue, topic, 1, ProduceOptions{}.delay(1h));
    produce(queue, topic, 2, ProduceOptions{}.delay(1h));
    EXPECT_TRUE(sync_wait(queue.cancel(topic, id)));
  }
  MetricsCollector metrics = queue.metrics();
  const MetricsSnapshot all = sync_wait(metrics.collect(names));
  for (const std::string& topic : names) EXPECT_EQ(all.topics.at(topic).delayed, 1) << topic;
  sync_wait(queue.cleanup());
}

TEST_F(QueueCluster, ConnectionsAreOfNodesNotOfTopics) {
  RedisMessageQueue queue(config());
  auto journal = std::make_shared<Journal>();
  Strings names;
  for (int i = 0; i < 100; ++i) {
    names.push_back("many." + std::to_string(i));
    queue.register_handler(names.back(), recorder(journal));
  }
  sync_wait(queue.start_background());
  for (const std::string& topic : names) produce(queue, topic, topic);
  ASSERT_TRUE(journal->wait_size(100));
  for (std::size_t node = 0; node < 3; ++node) {
    const std::string clients = cluster().node(node).command({"CLIENT", "LIST"}).str();
    std::size_t ours = 0;
    for (auto at = clients.find("addr=127.0.0.1"); at != std::string::npos;
         at = clients.find("addr=127.0.0.1", at + 1)) {
      ++ours;
    }
    // Two clients of two lanes each, one that listens, and nodes of the Cluster themselves.
    EXPECT_LE(ours, 8U) << clients;
  }
  sync_wait(queue.stop());
}

TEST_F(QueueCluster, TheSetOfTopicsIsWhereItsSlotIs) {
  MQConfig own = config();
  own.queue_prefix = "topicset";
  RedisMessageQueue queue(own);
  const Strings names = topics("known.");
  for (const std::string& topic : names) produce(queue, topic, 1);
  const std::string key = "topicset:topics";
  EXPECT_TRUE(wait_for(patience, [&] {
    return cluster().command(key, {"SMEMBERS", key}).list().size() == 3U;
  }));
  sync_wait(queue.cleanup());
}

TEST_F(QueueCluster, AllMastersAreLookedAtForWhatAServiceWouldTripOver) {
  RedisMessageQueue queue(config());
  std::map<std::string, int> memory;  // findings about it, by server
  for (const Finding& each : sync_wait(queue.admin().diagnose()))
    if (each.subject == "memory") ++memory[each.server];
  EXPECT_EQ(memory.size(), 3U);
  for (const auto& [server, findings] : memory) {
    EXPECT_EQ(findings, 1) << server;
    EXPECT_NE(server.find(':'), std::string::npos) << server;
  }
}

TEST_F(QueueCluster, AServerThatIsNoClusterIsToldWhenAClusterIsAskedFor) {
  RedisOptions options;
  options.tcp = true;
  RedisServer server(options);
  MQConfig config = cluster_config("redis+cluster://127.0.0.1:" + std::to_string(server.port()));
  config.connect_timeout = 500ms;
  RedisMessageQueue queue(config);
  const std::string why = thrown_by([&] { sync_wait(queue.initialize()); });
  EXPECT_NE(why.find("this is no node of a Redis Cluster"), std::string::npos) << why;
  EXPECT_NE(why.find("redis://"), std::string::npos) << why;
}

// --- slots that move, nodes that go: Clusters of the tests' own ---

TEST(QueueClusterMoves, AQueueFollowsASlotThatMovesAndDoesNotNotice) {
  RedisCluster cluster;
  RedisMessageQueue queue(cluster_config(cluster.url()));
  const std::string topic = cluster.topic_on(0, "moving.");
  const int slot = RedisCluster::slot(topic);
  auto journal = std::make_shared<Journal>();
  queue.register_handler(topic, recorder(journal));
  sync_wait(queue.start_background());
  int made = 0;
  for (const auto& [from, to] : {std::pair<int, int>{0, 1}, {1, 2}, {2, 0}}) {
    for (int i = 0; i < 20; ++i) sync_wait(queue.produce(topic, made++));
    cluster.move_slot(slot, static_cast<std::size_t>(from), static_cast<std::size_t>(to));
    for (int i = 0; i < 20; ++i) sync_wait(queue.produce(topic, made++));
    ASSERT_TRUE(journal->wait_size(static_cast<std::size_t>(made)));
  }
  std::set<int> all;
  for (const json& each : journal->payloads()) all.insert(each.get<int>());
  EXPECT_EQ(static_cast<int>(all.size()), made);
  EXPECT_EQ(static_cast<int>(journal->size()), made) << "none twice";
  sync_wait(queue.stop());
}

// All keys have gone over, and nobody says so yet: ASK.
TEST(QueueClusterMoves, WhileASlotIsHalfOverMessagesGoOnWhereTheKeysAre) {
  RedisCluster cluster;
  RedisMessageQueue queue(cluster_config(cluster.url()));
  const std::string topic = cluster.topic_on(0, "asking.");
  const int slot = RedisCluster::slot(topic);
  sync_wait(queue.produce(topic, 0));
  cluster.begin_move(slot, 0, 1);
  auto during = std::make_shared<std::atomic<int>>(0);
  std::jthread producer([&] {
    for (int i = 1; i <= 20; ++i) {
      sync_wait(queue.produce(topic, i));
      ++*during;
    }
  });
  while (cluster.move_keys(slot, 0, 1, 1) > 0) {
  }
  cluster.end_move(slot, 1);
  producer.join();
  EXPECT_EQ(during->load(), 20);
  EXPECT_EQ(
      cluster.command(key_of(topic, "ready:normal"), {"LLEN", key_of(topic, "ready:normal")}).num(),
      21);
  EXPECT_EQ(cluster.owner(topic), 1U);
  sync_wait(queue.cleanup());
}

TEST(QueueClusterMoves, SeedsMayDieAfterTheStart) {
  ClusterOptions options;
  options.masters = 3;
  options.spare = 1;  // knows the others and serves nothing: the only seed
  RedisCluster cluster(options);
  const std::string topic = cluster.topic_on(0, "seedless.");
  MQConfig config =
      cluster_config("redis+cluster://127.0.0.1:" + std::to_string(cluster.node(3).port()));
  RedisMessageQueue queue(config);
  auto journal = std::make_shared<Journal>();
  queue.register_handler(topic, recorder(journal));
  sync_wait(queue.start_background());
  sync_wait(queue.produce(topic, 1));
  ASSERT_TRUE(journal->wait_size(1));
  cluster.kill9(3);
  const int slot = RedisCluster::slot(topic);
  cluster.move_slot(slot, 0, 2);
  for (int i = 0; i < 10; ++i) sync_wait(queue.produce(topic, i));
  EXPECT_TRUE(journal->wait_size(11));
  sync_wait(queue.stop());
}

TEST(QueueClusterMoves, ANodeThatComesBackAtAnotherAddressIsFound) {
  ClusterOptions options;
  options.node.appendonly = true;
  RedisCluster cluster(options);
  MQConfig config = cluster_config(cluster.url());
  config.produce_timeout = 60s;
  RedisMessageQueue queue(config);
  const std::string topic = cluster.topic_on(1, "elsewhere.");
  auto journal = std::make_shared<Journal>();
  queue.register_handler(topic, recorder(journal));
  sync_wait(queue.start_background());
  sync_wait(queue.produce(topic, 0));
  ASSERT_TRUE(journal->wait_size(1));
  const int before = cluster.node(1).port();
  cluster.restart_elsewhere(1);
  ASSERT_NE(cluster.node(1).port(), before);
  for (int i = 1; i <= 10; ++i) sync_wait(queue.produce(topic, i));
  EXPECT_TRUE(journal->wait_size(11));
  EXPECT_EQ(cluster.owner(topic), 1U);
  sync_wait(queue.stop());
}

// Names that resolve nowhere: whoever does not go by them, and by the map, gets nowhere. The
// addresses that nodes tell beside them lead nowhere, too.
TEST(QueueClusterMoves, NodesThatAnnounceNamesAreReachedByThem) {
  RedisCluster cluster;
  for (std::size_t i = 0; i < 3; ++i) {
    for (const auto& [name, value] :
         {std::pair<const char*, const char*>{"cluster-announce-hostname", "node.mx-rmq.invalid"},
          {"cluster-preferred-endpoint-type", "hostname"}}) {
      const Value reply = cluster.node(i).try_command({"CONFIG", "SET", name, value});
      if (reply.is_error()) GTEST_SKIP() << "it needs Redis 7";
    }
  }
  ASSERT_TRUE(wait_for(patience, [&] {  // they hear each other's names by and by
    for (std::size_t i = 0; i < 3; ++i) {
      const Value map = cluster.node(i).command({"CLUSTER", "SLOTS"});
      for (const Value& range : map.list())
        if (range[2][0].str() != "node.mx-rmq.invalid") return false;
    }
    return true;
  }));
  MQConfig config = cluster_config("redis+cluster://seed.mx-rmq.invalid:" +
                                   std::to_string(cluster.node(0).port()));
  config.redis_address_map =
      "seed.mx-rmq.invalid=127.0.0.1,node.mx-rmq.invalid=127.0.0.1,127.0.0.1=127.0.0.1:1";
  RedisMessageQueue queue(config);
  auto journal = std::make_shared<Journal>();
  const std::string topic = cluster.topic_on(1, "named.");
  queue.register_handler(topic, recorder(journal));
  sync_wait(queue.start_background());
  sync_wait(queue.produce(topic, 1));
  ASSERT_TRUE(journal->wait_size(1));
  cluster.move_slot(RedisCluster::slot(topic), 1, 2);  // MOVED tells the name as well
  sync_wait(queue.produce(topic, 2));
  EXPECT_TRUE(journal->wait_size(2));
  sync_wait(queue.stop());
}

TEST(QueueClusterMoves, AReplicaAsTheOnlySeedLeadsToTheMasters) {
  ClusterOptions options;
  options.replicas = 1;
  RedisCluster cluster(options);
  const std::string topic = cluster.topic_on(1, "replica.");
  for (const char* const scheme : {"redis+cluster", "redis"}) {
    const std::string url =
        std::string(scheme) + "://127.0.0.1:" + std::to_string(cluster.node(4).port());
    RedisMessageQueue queue(cluster_config(url));
    auto journal = std::make_shared<Journal>();
    queue.register_handler(topic, recorder(journal));
    sync_wait(queue.start_background());
    sync_wait(queue.produce(topic, 1));
    EXPECT_TRUE(journal->wait_size(1)) << scheme;
    sync_wait(queue.stop());
  }
}

// Slots without a master: their topics wait, others do not notice, and health says so.
TEST(QueueClusterMoves, AHoleInTheMapConcernsItsTopicsOnly) {
  RedisCluster cluster;
  const std::string here = cluster.topic_on(0, "whole.");
  const std::string hole = cluster.topic_on(1, "hole.");
  for (std::size_t i = 0; i < 3; ++i) {
    cluster.node(i).command({"CLUSTER", "DELSLOTS", std::to_string(RedisCluster::slot(hole))});
  }
  MQConfig config = cluster_config(cluster.url());
  config.produce_timeout = 700ms;
  RedisMessageQueue queue(config);
  sync_wait(queue.initialize());
  const std::string why = thrown_by([&] { sync_wait(queue.produce(hole, 1)); });
  EXPECT_NE(why.find("has no master"), std::string::npos) << why;
  sync_wait(queue.produce(here, 1));
  cluster.node(1).command({"CLUSTER", "ADDSLOTS", std::to_string(RedisCluster::slot(hole))});
  EXPECT_TRUE(wait_for(
      patience, [&] { return thrown_by([&] { sync_wait(queue.produce(hole, 2)); }).empty(); }));
  sync_wait(queue.cleanup());
}

// Two nodes that send each other's clients back and forth: bounded, and mended when they agree.
Task<> try_to_produce(RedisMessageQueue* queue, std::string topic, std::atomic<int>* done) {
  try {
    auto task = queue->produce(std::move(topic), 1);
    co_await std::move(task);
  } catch (const Error&) {
    // While nobody has the slot that is what is expected.
  }
  ++*done;
}

TEST(QueueClusterMoves, AStormOfRedirectionsAsksForTheMapOnceASecond) {
  RedisCluster cluster;
  const std::string topic = cluster.topic_on(0, "storm.");
  const std::string slot = std::to_string(RedisCluster::slot(topic));
  MQConfig config = cluster_config(cluster.url());
  config.produce_timeout = 3s;
  RedisMessageQueue queue(config);
  sync_wait(queue.produce(cluster.topic_on(1, "calm."), 0));
  const auto asked = [&] {
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      const std::string info = cluster.node(i).command({"INFO", "commandstats"}).str();
      const std::size_t at = info.find("cmdstat_cluster|slots:calls=");
      if (at != std::string::npos) sum += std::stoll(info.substr(at + 28));
    }
    return sum;
  };
  // Node 0 believes that it is node 1's, node 1 that it is node 2's, node 2 that it is node 0's.
  for (std::size_t i = 0; i < 3; ++i) {
    cluster.node(i).command({"CONFIG", "RESETSTAT"});
    cluster.node(i).command({"CLUSTER", "SETSLOT", slot, "NODE", cluster.id((i + 1) % 3)});
  }
  const auto began = WaitClock::now();
  std::atomic<int> done{0};
  for (int i = 0; i < 8; ++i) spawn(try_to_produce(&queue, topic, &done), {});
  EXPECT_TRUE(wait_for(patience, [&] { return done == 8; }));
  const auto seconds =
      std::chrono::duration_cast<std::chrono::milliseconds>(WaitClock::now() - began).count() /
      1000;
  EXPECT_LE(asked(), 3 * (seconds + 2)) << "in " << seconds << " s, of up to three nodes each time";
  for (std::size_t i = 0; i < 3; ++i) {
    cluster.node(i).command({"CLUSTER", "SETSLOT", slot, "NODE", cluster.id(0)});
  }
  EXPECT_TRUE(wait_for(
      patience, [&] { return thrown_by([&] { sync_wait(queue.produce(topic, 2)); }).empty(); }));
  sync_wait(queue.cleanup());
}

}  // namespace
}  // namespace mx_rmq::test
