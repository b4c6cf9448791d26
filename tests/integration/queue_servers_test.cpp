// Pointed at what is no master: a replica, a Sentinel, a port for TLS, a node of a Cluster; and a
// master that is demoted while the queue works.

#include <atomic>
#include <cstdio>
#include <fstream>
#include <thread>

#include "api/tls_built_in.hpp"
#include "mx_rmq/log.hpp"
#include "support/fake_port.hpp"
#include "support/fault_proxy.hpp"
#include "support/free_port.hpp"
#include "support/queue_fixture.hpp"
#include "support/redis_cluster.hpp"

namespace mx_rmq::test {
namespace {

// What the library logs while it lives.
class Log {
 public:
  Log() {
    set_log_sink([this](LogLevel level, std::string_view line) {
      const std::lock_guard lock(mutex_);
      lines_.emplace_back(level, line);
    });
  }
  ~Log() { set_log_sink({}); }
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;
  std::size_t count(std::string_view part, LogLevel least = LogLevel::trace) const {
    const std::lock_guard lock(mutex_);
    std::size_t found = 0;
    for (const auto& [level, line] : lines_) {
      found += level >= least && line.find(part) != std::string::npos ? 1 : 0;
    }
    return found;
  }
  std::string text(LogLevel least) const {
    const std::lock_guard lock(mutex_);
    std::string out;
    for (const auto& [level, line] : lines_) out += level >= least ? line + "\n" : "";
    return out;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::pair<LogLevel, std::string>> lines_;
};

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

MQConfig hasty_config(const std::string& url) {
  MQConfig config = quick_config(url);
  config.connect_timeout = 2s;
  config.produce_timeout = 2s;
  return config;
}

// Each of initialize, produce, health and the log says `part`, and health does so within the time
// that was promised.
void expect_told(const std::string& url, const std::string& part) {
  Log log;
  RedisMessageQueue queue(hasty_config(url));
  const std::string initialized = thrown_by([&] { sync_wait(queue.initialize()); });
  EXPECT_TRUE(has(initialized, part)) << initialized;
  const std::string produced = thrown_by([&] { sync_wait(queue.produce("t", 1)); });
  EXPECT_TRUE(has(produced, part)) << produced;
  const auto began = WaitClock::now();
  const HealthReport health = sync_wait(queue.health_check());
  EXPECT_LT(WaitClock::now() - began, 5s);
  EXPECT_FALSE(health.healthy);
  EXPECT_TRUE(has(health.checks.at("redis"), part)) << health.checks.at("redis");
  EXPECT_GE(log.count(part, LogLevel::error), 1u) << log.text(LogLevel::info);
  sync_wait(queue.cleanup());
}

RedisOptions one_of_a_pair() {
  RedisOptions options;
  options.tcp = true;
  options.config = {"repl-diskless-sync-delay 0"};
  return options;
}

void follow(RedisServer& replica, const RedisServer& master) {
  replica.command({"REPLICAOF", "127.0.0.1", std::to_string(master.port())});
}

bool in_sync(RedisServer& replica) {
  return has(replica.command({"INFO", "replication"}).str(), "master_link_status:up");
}

std::string replica_of(const RedisServer& master) {
  return "this is a replica of 127.0.0.1:" + std::to_string(master.port()) + ", not a master";
}

// --- replicas ---

TEST(QueueServers, AReplicaIsToldAndNotUsed) {
  RedisServer master(one_of_a_pair());
  RedisServer replica(one_of_a_pair());
  follow(replica, master);
  ASSERT_TRUE(wait_for(patience, [&] { return in_sync(replica); }));
  expect_told(replica.tcp_url(), replica_of(master));
  EXPECT_FALSE(has(replica.command({"INFO", "commandstats"}).str(), "cmdstat_evalsha:"))
      << "no script was run there";
}

TEST(QueueServers, AReplicaIsToldByInfoWhereRoleIsForbidden) {
  RedisServer master(one_of_a_pair());
  RedisOptions options = one_of_a_pair();
  options.users = {"bob on >secret ~* &* +@all -role"};
  RedisServer replica(options);
  follow(replica, master);
  ASSERT_TRUE(wait_for(patience, [&] { return in_sync(replica); }));
  expect_told("unix://bob:secret@" + replica.socket_path(), replica_of(master));
}

TEST(QueueServers, WhereNobodyMayAskForTheRoleTheQueueWorks) {
  RedisOptions options;
  options.users = {"bob on >secret ~* &* +@all -role -info"};
  RedisServer server(options);
  const auto journal = std::make_shared<Journal>();
  RedisMessageQueue queue(quick_config("unix://bob:secret@" + server.socket_path()));
  queue.register_handler("t", recorder(journal));
  sync_wait(queue.start_background());
  sync_wait(queue.produce("t", 1));
  EXPECT_TRUE(journal->wait_size(1));
  const HealthReport health = sync_wait(queue.health_check());
  EXPECT_TRUE(health.healthy) << health.checks.at("redis");
  sync_wait(queue.cleanup());
}

TEST(QueueServers, AnIdleQueueWhoseMasterIsDemotedIsRedSoonAndTriesWithinThePauses) {
  RedisServer server(one_of_a_pair());
  RedisServer other(one_of_a_pair());
  const std::string path = server.directory() + "/name.sock";
  std::atomic<int> attempts{0};
  FaultProxy name(server.socket_path(), path);
  MQConfig config = quick_config(name.url());
  config.reconnect_backoff_min = 200ms;
  config.reconnect_backoff_max = 200ms;
  config.expired_check_interval = 2min;
  config.processing_monitor_interval = 2min;
  const auto journal = std::make_shared<Journal>();
  RedisMessageQueue queue(config);
  queue.register_handler("t", recorder(journal));
  sync_wait(queue.start_background());
  sync_wait(queue.produce("t", 1));
  ASSERT_TRUE(journal->wait_size(1));
  ASSERT_TRUE(sync_wait(queue.health_check()).healthy);
  name.judge_commands([&](const SeenCommand& command) {
    if (command.arguments[0] == "ROLE") ++attempts;
    return CommandFate::pass;
  });
  follow(server, other);
  const auto demoted = WaitClock::now();
  HealthReport health;
  EXPECT_TRUE(wait_for(
      5s,
      [&] {
        health = sync_wait(queue.health_check());
        return !health.healthy;
      },
      20ms));
  EXPECT_TRUE(has(health.checks.at("redis"), replica_of(other))) << health.checks.at("redis");
  // Five connections at most: three of the pool, one that waits, and what the first signs renewed.
  const int before = attempts;
  ASSERT_TRUE(wait_for(patience, [&] { return attempts >= before + 24; }));
  EXPECT_GE(WaitClock::now() - demoted, 400ms) << "six rounds of four, at least 100 ms apart";
  server.command({"REPLICAOF", "NO", "ONE"});
  EXPECT_TRUE(wait_for(
      patience, [&] { return sync_wait(queue.health_check()).healthy; }, 20ms));
  sync_wait(queue.produce("t", 2));
  EXPECT_TRUE(journal->wait_size(2));
  sync_wait(queue.cleanup());
}

// A queue that only reads, or waits, hears of nothing: health asks.
TEST(QueueServers, HealthAsksAnIdleProducersServerWhatItIs) {
  RedisServer server(one_of_a_pair());
  RedisServer other(one_of_a_pair());
  RedisMessageQueue queue(quick_config(server.url()));
  sync_wait(queue.produce("t", 1));
  ASSERT_TRUE(sync_wait(queue.health_check()).healthy);
  follow(server, other);
  const HealthReport health = sync_wait(queue.health_check());
  EXPECT_FALSE(health.healthy);
  EXPECT_TRUE(has(health.checks.at("redis"), replica_of(other))) << health.checks.at("redis");
  server.command({"REPLICAOF", "NO", "ONE"});
  EXPECT_TRUE(wait_for(
      patience, [&] { return sync_wait(queue.health_check()).healthy; }, 20ms));
}

// --- the name leads to another master ---

// Two servers, one of them the replica of the other, and a name that leads to the master.
class Pair {
 public:
  Pair() : name_(servers_[0].socket_path(), servers_[0].directory() + "/name.sock") {
    follow(servers_[1], servers_[0]);
  }
  std::string url() const { return name_.url(); }
  RedisServer& master() { return servers_[master_]; }
  RedisServer& replica() { return servers_[1 - master_]; }
  bool ready() { return in_sync(replica()); }
  // The master is demoted, alive, and keeps its connections; the name leads to the new one. As long
  // as a first synchronisation can take the old one gets nothing of what comes to the new one: a
  // claim there finds nothing, and says so without an error.
  void change_over() {
    RedisServer& old = master();
    RedisServer& next = replica();
    next.command({"REPLICAOF", "NO", "ONE"});
    name_.lead_to(next.socket_path());
    old.command({"REPLICAOF", "127.0.0.1", "1"});
    master_ = 1 - master_;
  }
  void catch_up() { follow(replica(), master()); }

 private:
  RedisServer servers_[2] = {RedisServer(one_of_a_pair()), RedisServer(one_of_a_pair())};
  FaultProxy name_;
  int master_ = 0;
};

void consume_over_change_overs(bool idle) {
  Pair pair;
  MQConfig config = quick_config(pair.url());
  // Who is idle, and listens at the old one, hears of it by the next sweep.
  config.expired_check_interval = 1s;
  config.processing_monitor_interval = 2min;
  const auto journal = std::make_shared<Journal>();
  RedisMessageQueue consumer(config);
  RedisMessageQueue producer(config);
  consumer.register_handler("t", recorder(journal));
  sync_wait(consumer.start_background());
  std::atomic<bool> loaded{!idle};
  std::thread load([&] {
    for (int i = 0; loaded; ++i) {
      // What is refused or in doubt during a change-over is not what this is about.
      static_cast<void>(thrown_by([&] { sync_wait(producer.produce("t", i)); }));
    }
  });
  std::vector<WaitClock::duration> gaps;
  for (int round = 0; round < 6; ++round) {
    const bool ready = wait_for(patience, [&] { return pair.ready(); });
    EXPECT_TRUE(ready);
    if (!ready) break;
    pair.change_over();
    const auto began = WaitClock::now();
    const std::string mark = "round " + std::to_string(round);
    EXPECT_EQ(thrown_by([&] { sync_wait(producer.produce("t", mark)); }), "");
    const bool handled = wait_for(patience, [&] {
      for (const json& each : journal->payloads()) {
        if (each == mark) return true;
      }
      return false;
    });
    EXPECT_TRUE(handled) << mark;
    gaps.push_back(WaitClock::now() - began);
    EXPECT_TRUE(sync_wait(consumer.health_check()).healthy);
    if (!handled) break;
    pair.catch_up();
  }
  loaded = false;
  load.join();
  for (const auto gap : gaps) {
    std::printf("consuming again after %.0f ms\n",
                std::chrono::duration<double, std::milli>(gap).count());
  }
  sync_wait(consumer.cleanup());
  sync_wait(producer.cleanup());
}

TEST(QueueServers, AnIdleConsumerFollowsTheNameToTheNewMaster) { consume_over_change_overs(true); }
TEST(QueueServers, ABusyConsumerFollowsTheNameToTheNewMaster) { consume_over_change_overs(false); }

// --- other things that listen ---

// A Sentinel that watches `master` as "mymaster".
class Sentinel {
 public:
  explicit Sentinel(const RedisServer& master) : port_(free_port()) {
    const std::string file = master.directory() + "/sentinel.conf";
    std::ofstream(file) << "port " << port_ << "\nbind 127.0.0.1\ndir " << master.directory()
                        << "\nsentinel monitor mymaster 127.0.0.1 " << master.port() << " 1\n";
    ChildOptions options;
    options.arguments = {file, "--sentinel"};
    options.output_file = master.directory() + "/sentinel.log";
    const char* const program = std::getenv("MX_RMQ_REDIS_SERVER");
    process_ = ChildProcess::start(program != nullptr ? program : "redis-server", options);
  }
  bool answers() const {
    try {
      RedisClient client = RedisClient::tcp(port_);
      return !client.try_command({"PING"}, 1s).is_error();
    } catch (const std::runtime_error&) {
      return false;  // not listening yet
    }
  }
  std::string url(const std::string& sign_in = "") const {
    return "redis://" + sign_in + "127.0.0.1:" + std::to_string(port_);
  }
  std::string log() const { return process_.output(); }

 private:
  int port_;
  ChildProcess process_;
};

TEST(QueueServers, ASentinelIsToldAndWhatToNameInstead) {
  RedisServer master(one_of_a_pair());
  const Sentinel sentinel(master);
  ASSERT_TRUE(wait_for(patience, [&] { return sentinel.answers(); })) << sentinel.log();
  const std::string told =
      "this is a Redis Sentinel, not a Redis server: write redis+sentinel://HOST:PORT/mymaster";
  expect_told(sentinel.url(), told);
  expect_told(sentinel.url() + "/3", told);
  expect_told(sentinel.url(":its-masters-password@"), told);
}

TEST(QueueServers, APortForTlsIsToldAndDoesNotHang) {
  FakePort port(FakePort::speak_tls);
  expect_told(port.url(), api::tls_built_in() ? "speaks TLS: write rediss://"
                                              : "speaks TLS, which is not built in");
}

TEST(QueueServers, APortForTlsThatSendsAnAlertIsToldToo) {
  FakePort port([](std::string_view) { return std::string("\x15\x03\x01\x00\x02\x02\x46", 7); });
  expect_told(port.url(), "speaks TLS");
}

TEST(QueueServers, AWebServerIsTold) {
  FakePort port([](std::string_view) {
    return std::string("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
  });
  expect_told(port.url(), "HTTP/1.1 400 Bad Request");
}

TEST(QueueServers, APortThatOnlyClosesIsNotTakenForAnythingElse) {
  FakePort port([](std::string_view) { return std::string(); });
  RedisMessageQueue queue(hasty_config(port.url()));
  const std::string error = thrown_by([&] { sync_wait(queue.initialize()); });
  EXPECT_TRUE(has(error, "ended during set-up")) << error;
  EXPECT_FALSE(has(error, "TLS")) << error;
}

TEST(QueueServers, ANodeOfAClusterIsToldWhereItCannotBeUsedAsOne) {
  ClusterOptions options;
  options.masters = 1;
  options.spare = 1;
  RedisCluster cluster(options);
  RedisServer& asked = cluster.node(1);
  RedisServer& owner = cluster.node(0);
  const std::string there = "127.0.0.1:" + std::to_string(owner.port());
  const std::string told = there +
                           " (this is a node of a Redis Cluster: its redis_url is "
                           "redis+cluster://HOST:PORT";
  Log log;
  const auto journal = std::make_shared<Journal>();
  // Over its socket it is taken for one server: a Cluster is known by hosts and ports.
  RedisMessageQueue queue(hasty_config(asked.url()));
  queue.register_handler("t", recorder(journal));
  queue.register_handler("u", recorder(journal));
  sync_wait(queue.start_background());
  const std::string produced = thrown_by([&] { sync_wait(queue.produce("t", 1)); });
  EXPECT_TRUE(has(produced, "MOVED")) << produced;
  EXPECT_TRUE(has(produced, told)) << produced;
  const HealthReport health = sync_wait(queue.health_check());
  EXPECT_FALSE(health.healthy);
  EXPECT_TRUE(has(health.checks.at("redis"), "node of a Redis Cluster"))
      << health.checks.at("redis");
  EXPECT_GE(log.count("node of a Redis Cluster", LogLevel::error), 1u) << log.text(LogLevel::info);
  EXPECT_TRUE(wait_for(patience, [&] { return log.count("call=claim") > 0; }));
  sync_wait(queue.cleanup());
}

// --- connections that the server closes because nothing happens ---

TEST(QueueServers, IdleConnectionsThatTheServerClosesAreNoWarning) {
  RedisOptions options;
  options.config = {"timeout 1"};
  RedisServer server(options);
  Log log;
  const auto journal = std::make_shared<Journal>();
  MQConfig config = quick_config(server.url());
  config.expired_check_interval = 1h;
  config.processing_monitor_interval = 1h;
  RedisMessageQueue queue(config);
  queue.register_handler("t", recorder(journal));
  sync_wait(queue.start_background());
  sync_wait(queue.produce("t", 1));
  ASSERT_TRUE(journal->wait_size(1));
  EXPECT_TRUE(
      wait_for(patience, [&] { return log.count("an idle connection to Redis ended") >= 2; }));
  server.command({"CONFIG", "SET", "timeout", "0"});  // none may end just when something is sent
  sync_wait(queue.produce("t", 2));
  EXPECT_TRUE(journal->wait_size(2));
  EXPECT_EQ(log.text(LogLevel::warn), "");
  sync_wait(queue.cleanup());
}

}  // namespace
}  // namespace mx_rmq::test
