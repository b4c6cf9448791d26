// A queue that is pointed at Sentinels: it finds the master, follows it, and says what is wrong.

#include <atomic>
#include <cstdio>
#include <thread>

#include "mx_rmq/log.hpp"
#include "support/fake_port.hpp"
#include "support/fault_proxy.hpp"
#include "support/free_port.hpp"
#include "support/queue_fixture.hpp"
#include "support/sentinel_set.hpp"

namespace mx_rmq::test {
namespace {

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

MQConfig following_config(const std::string& url) {
  MQConfig config = quick_config(url);
  config.connect_timeout = 3s;
  config.command_timeout = 2s;
  config.produce_timeout = 20s;
  return config;
}

// FAILOVER, and rights to channels.
bool knows_redis_6_2() {
  RedisServer server;
  return !server.command({"COMMAND", "INFO", "FAILOVER"})[0].is_nil();
}

// Produces "1", "2", ... and notes how long the longest gap between two answers was.
class Load {
 public:
  explicit Load(RedisMessageQueue& queue) : queue_(queue), thread_([this] { run(); }) {}
  ~Load() { stop(); }
  void stop() {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
  }
  std::size_t sent() const { return sent_; }
  std::size_t failed() const { return failed_; }
  std::chrono::milliseconds longest_gap() const {
    return std::chrono::milliseconds(longest_gap_.load());
  }
  void forget_gap() { longest_gap_ = 0; }

 private:
  void run() {
    auto last = WaitClock::now();
    while (!stopping_) {
      try {
        sync_wait(queue_.produce("t", sent_.load() + 1));
        ++sent_;
      } catch (const Error&) {
        ++failed_;
      }
      const auto now = WaitClock::now();
      const auto gap = std::chrono::duration_cast<std::chrono::milliseconds>(now - last).count();
      if (gap > longest_gap_) longest_gap_ = gap;
      last = now;
    }
  }

  RedisMessageQueue& queue_;
  std::atomic<bool> stopping_{false};
  std::atomic<std::size_t> sent_{0}, failed_{0};
  std::atomic<std::int64_t> longest_gap_{0};
  std::thread thread_;
};

// What redis_url must not say, told by each of initialize and health.
void expect_told(MQConfig config, const std::string& part) {
  config.connect_timeout = 700ms;
  config.command_timeout = 700ms;
  RedisMessageQueue queue(config);
  const std::string initialized = thrown_by([&] { sync_wait(queue.initialize()); });
  EXPECT_TRUE(has(initialized, part)) << initialized;
  const HealthReport health = sync_wait(queue.health_check());
  EXPECT_FALSE(health.healthy);
  EXPECT_TRUE(has(health.checks.at("redis"), part)) << health.checks.at("redis");
  sync_wait(queue.cleanup());
}

TEST(QueueSentinels, FindsTheMasterAndWorks) {
  SentinelOptions options;
  options.password = "servers";
  options.sentinel_password = "sentinels";
  SentinelSet set(options);
  MQConfig config = following_config(set.url());
  config.sentinel_password = "sentinels";
  RedisMessageQueue queue(config);
  const auto journal = std::make_shared<Journal>();
  queue.register_handler("t", recorder(journal));
  sync_wait(queue.start_background());
  sync_wait(queue.produce("t", "hello"));
  EXPECT_TRUE(journal->wait_size(1));
  const HealthReport health = sync_wait(queue.health_check());
  EXPECT_TRUE(health.healthy) << health.checks.at("redis");
  EXPECT_EQ(health.checks.at("sentinels"), "ok");
  sync_wait(queue.cleanup());

  MQConfig without = config;
  without.sentinel_password = "";
  expect_told(without, "sentinel_password is not set");
  MQConfig wrong = config;
  wrong.sentinel_password = "wrong";
  expect_told(wrong, "WRONGPASS");
}

TEST(QueueSentinels, FollowsAManualFailoverWithinASecond) {
  SentinelSet set;
  RedisMessageQueue queue(following_config(set.url()));
  const auto journal = std::make_shared<Journal>();
  queue.register_handler("t", recorder(journal));
  sync_wait(queue.start_background());
  Load load(queue);
  ASSERT_TRUE(journal->wait_size(100));
  const std::size_t old = set.master();
  load.forget_gap();
  set.begin_failover();
  const std::size_t now = set.await_master_other_than(old);
  EXPECT_TRUE(wait_for(patience, [&] {
    return has(set.server(now).command({"INFO", "commandstats"}).str(), "cmdstat_evalsha:");
  }));
  const std::size_t before = journal->size();
  EXPECT_TRUE(journal->wait_size(before + 200));
  load.stop();
  EXPECT_EQ(load.failed(), 0U);
  EXPECT_LT(load.longest_gap(), 1500ms);
  std::printf("longest gap: %lld ms\n", static_cast<long long>(load.longest_gap().count()));
  EXPECT_TRUE(sync_wait(queue.health_check()).healthy);
  sync_wait(queue.cleanup());
}

TEST(QueueSentinels, WhatIsConnectedGoesOnWithoutAnySentinel) {
  SentinelSet set;
  RedisMessageQueue queue(following_config(set.url()));
  const auto journal = std::make_shared<Journal>();
  queue.register_handler("t", recorder(journal));
  sync_wait(queue.start_background());
  sync_wait(queue.produce("t", 1));
  ASSERT_TRUE(journal->wait_size(1));
  for (std::size_t i = 0; i < set.sentinels(); ++i) set.sentinel(i).kill9();
  HealthReport health;
  EXPECT_TRUE(wait_for(patience, [&] {
    health = sync_wait(queue.health_check());
    return health.checks.at("sentinels") != "ok";
  }));
  EXPECT_TRUE(health.healthy) << "what is connected goes on";
  EXPECT_TRUE(has(health.checks.at("sentinels"), "no Sentinel tells where the master \"mymaster\""))
      << health.checks.at("sentinels");
  EXPECT_TRUE(has(health.checks.at("sentinels"), "refused")) << health.checks.at("sentinels");
  sync_wait(queue.produce("t", 2));
  // A further connection is made too, and one that is lost.
  EXPECT_TRUE(sync_wait(queue.dead_letters().list("t")).empty());
  set.server(set.servers() - 2).command({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
  sync_wait(queue.produce("t", 3));
  EXPECT_TRUE(journal->wait_size(3));
  for (std::size_t i = 0; i < set.sentinels(); ++i) set.sentinel(i).restart();
  EXPECT_TRUE(wait_for(
      patience, [&] { return sync_wait(queue.health_check()).checks.at("sentinels") == "ok"; }));
  sync_wait(queue.cleanup());
}

TEST(QueueSentinels, AnyOrderAndDeadSentinelsBeforeTheLivingDoNotMatter) {
  SentinelSet set;
  const std::string url = "redis+sentinel://127.0.0.1:" + std::to_string(free_port()) +
                          ",localhost:" + std::to_string(set.sentinel(2).port()) + "/mymaster/3";
  RedisMessageQueue queue(following_config(url));
  const auto began = WaitClock::now();
  sync_wait(queue.produce("t", 1));
  EXPECT_LT(WaitClock::now() - began, 2s);
  const Value databases = set.server(set.master()).command({"INFO", "keyspace"});
  EXPECT_TRUE(has(databases.str(), "db3:")) << databases.str();
  sync_wait(queue.cleanup());
}

TEST(QueueSentinels, SaysWhatIsWrong) {
  SentinelOptions one;
  one.sentinels = 1;
  one.replicas = 0;
  SentinelSet set(one);
  const std::string at = "127.0.0.1:" + std::to_string(set.sentinel(0).port());
  expect_told(following_config("redis+sentinel://" + at + "/other"),
              at + ": it watches no master of that name (it watches: mymaster)");
  const std::string nobody = "127.0.0.1:" + std::to_string(free_port());
  expect_told(following_config("redis+sentinel://" + nobody + "/mymaster"),
              "no Sentinel tells where the master \"mymaster\" is (" + nobody + ": ");
  const std::string server = "127.0.0.1:" + std::to_string(set.server(0).port());
  expect_told(following_config("redis+sentinel://" + server + "/mymaster"),
              "this is a Redis server, not a Sentinel: write redis://");
  FakePort web([](std::string_view) { return std::string("HTTP/1.1 400 Bad Request\r\n\r\n"); });
  expect_told(following_config("redis+sentinel://127.0.0.1:" + std::to_string(web.port()) + "/m"),
              "there is no Redis server at 127.0.0.1");
}

TEST(QueueSentinels, AnAddressMapLeadsToWhereTheMasterIsSeenFromHere) {
  SentinelOptions one;
  one.sentinels = 1;
  one.replicas = 0;
  // The Sentinel names an address that nobody has.
  SentinelSet set(one);
  const int port = set.server(0).port();
  FakePort deaf([](std::string_view) { return std::string(); });
  MQConfig config = following_config(set.url());
  config.redis_address_map =
      "127.0.0.1:" + std::to_string(port) + "=127.0.0.1:" + std::to_string(deaf.port());
  config.connect_timeout = 1s;
  {
    RedisMessageQueue queue(config);
    EXPECT_NE(thrown_by([&] { sync_wait(queue.initialize()); }), "") << "it is led elsewhere";
    sync_wait(queue.cleanup());
  }
  config.redis_address_map = "127.0.0.1=localhost";
  RedisMessageQueue queue(config);
  sync_wait(queue.produce("t", 1));
  sync_wait(queue.cleanup());
}

// It names a replica as the master, of the same config-epoch as the others.
TEST(QueueSentinels, ASentinelThatLiesIsNotBelieved) {
  SentinelSet set;
  const std::string directory = set.server(0).directory();
  const int replica = set.server(1).port();
  const SentinelProcess liar(directory, "", [&](int port) {
    return "port " + std::to_string(port) + "\nbind 127.0.0.1\ndir " + directory +
           "\nsentinel monitor mymaster 127.0.0.1 " + std::to_string(replica) + " 1\n";
  });
  const std::string honest = std::to_string(set.sentinel(0).port());
  for (const bool first : {true, false}) {
    const std::string lie = "127.0.0.1:" + std::to_string(liar.port());
    MQConfig config = following_config("redis+sentinel://" + (first ? lie : "127.0.0.1:" + honest) +
                                       "," + (first ? "127.0.0.1:" + honest : lie) + "/mymaster");
    RedisMessageQueue queue(config);
    const auto journal = std::make_shared<Journal>();
    queue.register_handler("t", recorder(journal));
    sync_wait(queue.start_background());
    sync_wait(queue.produce("t", 1));
    EXPECT_TRUE(journal->wait_size(1));
    if (!first) {
      set.sentinel(0).kill9();  // the liar is the only one that is left of those that are named
      const HealthReport before = sync_wait(queue.health_check());
      EXPECT_TRUE(before.healthy) << before.checks.at("redis");
      for (int i = 0; i < 30; ++i) sync_wait(queue.produce("t", i));
      EXPECT_TRUE(journal->wait_size(31));
    }
    EXPECT_TRUE(sync_wait(queue.health_check()).healthy);
    sync_wait(queue.cleanup());
  }
}

// No right but the one that is needed, at the Sentinels; neither ROLE nor INFO at the servers.
TEST(QueueSentinels, FollowsWithFewRights) {
  if (!knows_redis_6_2()) GTEST_SKIP() << "it needs Redis 6.2";
  SentinelOptions options;
  options.users = {"bob on >secret ~* &* +@all -role -info"};
  options.sentinel_users = {"eve on >hush -@all +auth +sentinel|get-master-addr-by-name"};
  SentinelSet set(options);
  MQConfig config = following_config(set.url("bob:secret@"));
  config.sentinel_username = "eve";
  config.sentinel_password = "hush";
  RedisMessageQueue queue(config);
  const auto journal = std::make_shared<Journal>();
  queue.register_handler("t", recorder(journal));
  sync_wait(queue.start_background());
  sync_wait(queue.produce("t", 1));
  ASSERT_TRUE(journal->wait_size(1));
  const std::size_t old = set.master();
  set.begin_failover();
  const std::size_t now = set.await_master_other_than(old);
  EXPECT_TRUE(wait_for(patience, [&] {
    return has(set.server(now).command({"INFO", "commandstats"}).str(), "cmdstat_evalsha:");
  }));
  sync_wait(queue.produce("t", 2));
  EXPECT_TRUE(journal->wait_size(2));
  sync_wait(queue.cleanup());
}

TEST(QueueSentinels, TheCommandFailoverIsFollowedBeforeTheSentinelsNotice) {
  if (!knows_redis_6_2()) GTEST_SKIP() << "it needs Redis 6.2";
  SentinelSet set;
  RedisMessageQueue queue(following_config(set.url()));
  const auto journal = std::make_shared<Journal>();
  queue.register_handler("t", recorder(journal));
  sync_wait(queue.start_background());
  Load load(queue);
  ASSERT_TRUE(journal->wait_size(100));
  const std::size_t old = set.master();
  load.forget_gap();
  set.server(old).command({"FAILOVER", "TIMEOUT", "5000"});
  RedisServer& next = set.server(1 - old);
  ASSERT_TRUE(wait_for(patience, [&] { return next.command({"ROLE"})[0].str() == "master"; }));
  const std::size_t before = journal->size();
  EXPECT_TRUE(journal->wait_size(before + 100, 2s));
  load.stop();
  EXPECT_EQ(load.failed(), 0U);
  EXPECT_LT(load.longest_gap(), 1500ms);
  std::printf("longest gap: %lld ms\n", static_cast<long long>(load.longest_gap().count()));
  EXPECT_TRUE(journal->wait_size(load.sent())) << "nothing is lost";
  sync_wait(queue.cleanup());
}

// --- wait_replicas ---

TEST(QueueReplicas, ProduceReturnsWhenTheReplicasHaveTheMessage) {
  SentinelOptions options;
  options.replicas = 2;
  options.sentinels = 1;
  SentinelSet set(options);
  MQConfig config = following_config(set.url());
  config.wait_replicas = 2;
  config.wait_replicas_timeout = 300ms;
  RedisMessageQueue queue(config);
  for (int i = 0; i < 20; ++i) sync_wait(queue.produce("t", i));
  for (std::size_t i = 0; i < set.servers(); ++i) {
    EXPECT_EQ(set.server(i).command({"LLEN", key_of("t", "ready:normal")}).num(), 20) << i;
  }
  // One of them stands still: the message is there, and that is said.
  set.server(2).pause();
  ProduceOptions chosen = ProduceOptions().message_id("once");
  const auto began = WaitClock::now();
  std::string told;
  try {
    sync_wait(queue.produce("t", 20, chosen));
  } catch (const NotReplicated& error) {
    told = error.what();
  }
  EXPECT_TRUE(has(told, "1 of the 2 replicas of wait_replicas had it within 300 ms")) << told;
  EXPECT_GE(WaitClock::now() - began, 250ms);
  EXPECT_EQ(set.server(set.master()).command({"LLEN", key_of("t", "ready:normal")}).num(), 21);
  // What does not produce is not held up.
  EXPECT_EQ(sync_wait(queue.dead_letters().list("t")).size(), 0U);
  set.server(2).resume();
  sync_wait(queue.produce("t", 20, chosen));
  EXPECT_EQ(set.server(2).command({"LLEN", key_of("t", "ready:normal")}).num(), 21);
  sync_wait(queue.cleanup());
}

// A batch whose reply was lost is sent again over a new connection, on which nothing was written:
// Valkey 9 says of such a one that all replicas have everything.
TEST(QueueReplicas, ACopyOfABatchThatWasAppliedIsNotTakenForReplicated) {
  RedisOptions options;
  options.tcp = true;
  options.config = {"repl-diskless-sync-delay 0", "repl-ping-replica-period 1"};
  RedisServer server(options);
  options.config.push_back("replicaof 127.0.0.1 " + std::to_string(server.port()));
  RedisServer replica(options);
  FaultProxy proxy(server.socket_path(), server.directory() + "/replicas.sock");
  MQConfig config = quick_config(proxy.url());
  config.wait_replicas = 1;
  config.wait_replicas_timeout = 20s;
  config.produce_timeout = 60s;
  RedisMessageQueue patient(config);
  config.wait_replicas_timeout = 300ms;
  RedisMessageQueue queue(config);
  // What is written reaches it after its first acknowledgement.
  EXPECT_TRUE(wait_for(
      patience, [&] { return thrown_by([&] { sync_wait(queue.produce("t", 1)); }).empty(); }));
  const std::int64_t there = server.command({"LLEN", key_of("t", "ready:normal")}).num();
  replica.pause();
  std::atomic<int> sent{0};
  proxy.judge_commands([&sent](const SeenCommand& call) {
    if (call.script != "produce") return CommandFate::pass;
    return ++sent == 1 ? CommandFate::lose_reply : CommandFate::pass;
  });
  std::string told;
  try {
    sync_wait(queue.produce("t", 2));
  } catch (const NotReplicated& error) {
    told = error.what();
  }
  EXPECT_TRUE(has(told, "0 of the 1 replicas")) << told;
  EXPECT_EQ(sent, 2);
  EXPECT_EQ(server.command({"LLEN", key_of("t", "ready:normal")}).num(), there + 1) << "once";
  proxy.judge_commands(nullptr);
  replica.resume();
  sync_wait(patient.produce("t", 3));
  EXPECT_EQ(replica.command({"LLEN", key_of("t", "ready:normal")}).num(), there + 2);
  sync_wait(queue.cleanup());
  sync_wait(patient.cleanup());
}

}  // namespace
}  // namespace mx_rmq::test
