// Each field of MQConfig does what its name says: those of the connection, the lease and the
// upkeep.
#include <atomic>

#include "support/fault_proxy.hpp"
#include "support/queue_fixture.hpp"

namespace mx_rmq::test {
namespace {

class QueueConnection : public QueueTest {};

const auto nothing = [](const json&) -> Task<> { co_return; };

template <class Call>
WaitClock::duration time_of(Call call) {
  const auto began = WaitClock::now();
  call();
  return WaitClock::now() - began;
}

TEST_F(QueueConnection, DatabaseAndPrefixAreUsed) {
  if (TestRedis::get().nodes() > 1) GTEST_SKIP() << "a Cluster has one database";
  MQConfig other = config();
  other.redis_db = 3;
  other.queue_prefix = "shop";
  RedisMessageQueue queue(other);
  produce(queue, "t", 1);
  EXPECT_EQ(server().command({"DBSIZE"}).num(), 0);
  RedisClient third = server().connect();
  third.command({"SELECT", "3"});
  EXPECT_EQ(third.command({"LLEN", key_of("t", "ready:normal", "shop")}).num(), 1);
}

TEST(QueueCredentials, NameAndPasswordSignIn) {
  RedisOptions options;
  options.users = {"bob on >secret ~* &* +@all", "default off"};
  RedisServer server(options);
  MQConfig config = quick_config(server.url());
  config.redis_username = "bob";
  config.redis_password = "secret";
  RedisMessageQueue queue(config);
  EXPECT_FALSE(sync_wait(queue.produce("t", 1)).empty());
  config.redis_password = "wrong";
  config.connect_timeout = 2s;
  config.produce_timeout = 2s;
  RedisMessageQueue refused(config);
  const std::string error = thrown_by([&] { sync_wait(refused.produce("t", 1)); });
  EXPECT_NE(error, "");
  EXPECT_EQ(error.find("wrong"), std::string::npos) << "no password in an error: " << error;
}

TEST_F(QueueConnection, ClientNameShowsInClientListAndThePoolBoundsTheConnections) {
  MQConfig named = config();
  named.client_name = "my-service";
  named.connection_pool_size = 3;
  RedisMessageQueue queue(named);
  for (int i = 0; i < 20; ++i) queue.register_handler("t" + std::to_string(i), nothing);
  start(queue);
  for (int i = 0; i < 20; ++i) produce(queue, "t" + std::to_string(i), 1);
  const std::string clients = server().command({"CLIENT", "LIST"}).str();
  EXPECT_GE(occurrences(clients, "name=my-service"), 2u);
  EXPECT_LE(occurrences(clients, "name=my-service"), 4u * TestRedis::get().nodes())
      << "3 and one that waits, of each node\n"
      << clients;
}

TEST_F(QueueConnection, ProduceCommandAndConnectTimeoutsEndWaitsForASilentServer) {
  RedisServer silent;
  MQConfig hasty = quick_config(silent.url());
  hasty.connect_timeout = 300ms;
  hasty.command_timeout = 300ms;
  hasty.produce_timeout = 300ms;
  RedisMessageQueue queue(hasty);
  sync_wait(queue.initialize());
  silent.pause();
  // The defaults are 5 and 15 seconds.
  const auto bound = 4s;
  EXPECT_LT(time_of([&] { EXPECT_THROW(produce(queue, "t", 1), Error); }), bound);
  EXPECT_LT(time_of([&] { EXPECT_THROW(sync_wait(queue.dead_letters().count("t")), Error); }),
            bound);
  RedisMessageQueue fresh(hasty);
  EXPECT_LT(time_of([&] { EXPECT_THROW(sync_wait(fresh.initialize()), Error); }), bound);
  silent.resume();
  EXPECT_TRUE(wait_for(patience, [&] {
    return thrown_by([&] { produce(queue, "t", 2); }).empty();
  })) << "and it comes back by itself";
}

TEST_F(QueueConnection, ReconnectBackoffPacesTheAttempts) {
  MX_RMQ_SKIP_WHERE_SERVERS_ARE_MANY();
  const std::string path = server().directory() + "/backoff.sock";
  std::atomic<int> attempts{0};
  std::atomic<bool> refuse{false};
  FaultProxy proxy(server().socket_path(), path);
  // Each new connection begins with a set-up; losing its first command refuses it.
  proxy.judge_commands([&](const SeenCommand&) {
    if (!refuse) return CommandFate::pass;
    ++attempts;
    return CommandFate::lose;
  });
  MQConfig paced = quick_config(proxy.url());
  paced.connection_pool_size = 1;
  paced.reconnect_backoff_min = 300ms;
  paced.reconnect_backoff_max = 300ms;
  RedisMessageQueue queue(paced);
  produce(queue, "t", 1);
  refuse = true;
  const auto began = WaitClock::now();
  proxy.end_all(End::fin);
  ASSERT_TRUE(wait_for(patience, [&] { return attempts >= 6; }));
  // Six attempts have five pauses between them, with jitter.
  EXPECT_GE(WaitClock::now() - began, 500ms);
  refuse = false;
  EXPECT_FALSE(produce(queue, "t", 2).empty());
}

TEST_F(QueueConnection, LeaseAndMaxRecoveriesDecideAboutWhatADeadConsumerHeld) {
  MQConfig owner = config();
  owner.max_recoveries = 1;
  RedisMessageQueue producer(owner);
  const std::string id = produce(producer, "t", 1);
  // A consumer that took it and died, twice: what claim and a lease that ran out leave.
  const auto take_and_die = [&](const std::string& name) {
    const Value envelope = server().command({"LPOP", key_of("t", "ready:normal")});
    ASSERT_FALSE(envelope.is_nil());
    server().command({"ZADD", key_of("t", "consumers"), "1", name});
    server().command({"HSET", key_of("t", "processing:" + name), "1.1", envelope.str()});
  };
  take_and_die("dead.1");
  const auto journal = std::make_shared<Journal>();
  MQConfig busy = config();
  busy.max_workers = 1;
  const auto go = std::make_shared<std::atomic<bool>>(false);
  RedisMessageQueue queue(busy);
  queue.register_handler("t", [journal, go](Context& context) -> Task<> {
    journal->add(context);
    while (!*go) co_await sleep_for(5ms);
  });
  start(queue);
  ASSERT_TRUE(journal->wait_size(1)) << "taken over after its lease";
  EXPECT_EQ(journal->runs()[0].id, id);
  EXPECT_EQ(journal->runs()[0].attempt, 1) << "a crash is a recovery, no attempt";
  EXPECT_EQ(stat(server(), "t", "recovered"), 1);
  *go = true;
  ASSERT_TRUE(wait_for(patience, [&] { return stat(server(), "t", "completed") == 1; }));
}

TEST_F(QueueConnection, MaxRecoveriesMakesADeadLetterPoison) {
  MQConfig strict = config();
  strict.max_recoveries = 1;
  RedisMessageQueue queue(strict);
  const std::string id = produce(queue, "t", 1);
  Value envelope = server().command({"LPOP", key_of("t", "ready:normal")});
  // The fourth field counts recoveries: as if one consumer had died with it already.
  std::string bytes = envelope.str();
  const std::size_t at = bytes.find(" 0 0 ");
  ASSERT_NE(at, std::string::npos);
  bytes[at + 3] = '1';
  server().command({"ZADD", key_of("t", "consumers"), "1", "dead.1"});
  server().command({"HSET", key_of("t", "processing:dead.1"), "1.1", bytes});
  server().command({"HSET", key_of("t", "stats"), "produced", "1"});
  queue.register_handler("t", nothing);
  start(queue);
  ASSERT_TRUE(wait_for(patience, [&] { return stat(server(), "t", "dead") == 1; }));
  const auto letter = sync_wait(queue.dead_letters().get("t", id));
  ASSERT_TRUE(letter.has_value());
  EXPECT_EQ(letter->reason, "poison");
  EXPECT_FALSE(letter->last_error.empty());
  EXPECT_EQ(stat(server(), "t", "completed"), 0);
}

TEST_F(QueueConnection, ProcessingMonitorIntervalFindsDeadConsumersWhereSweepsAreRare) {
  MQConfig rare = config();
  rare.expired_check_interval = 1h;
  rare.processing_monitor_interval = 100ms;
  const auto journal = std::make_shared<Journal>();
  RedisMessageQueue queue(rare);
  queue.register_handler("t", recorder(journal));
  const std::string delayed = produce(queue, "t", "held", ProduceOptions{}.delay(1h));
  start(queue);
  produce(queue, "t", "first");
  ASSERT_TRUE(wait_for(patience, [&] { return stat(server(), "t", "completed") == 1; }));
  // A consumer that took it and died.
  const Value envelope = server().command({"HGET", key_of("t", "delayed:data"), delayed});
  ASSERT_FALSE(envelope.is_nil());
  server().command({"ZREM", key_of("t", "delayed"), delayed});
  server().command({"HDEL", key_of("t", "delayed:data"), delayed});
  server().command({"HSET", key_of("t", "processing:dead.1"), "1.1", envelope.str()});
  server().command({"ZADD", key_of("t", "consumers"), "1", "dead.1"});
  EXPECT_TRUE(wait_for(patience, [&] { return stat(server(), "t", "completed") == 2; }));
  EXPECT_EQ(stat(server(), "t", "recovered"), 1);
}

// The seat's timer still stands where the run before wanted it.
TEST_F(QueueConnection, ARunThatWaitsForItsLeaseIsNotEndedByTheDeadlineOfTheRunBeforeIt) {
  RedisServer own;
  MQConfig one = quick_config(own.url());
  one.max_workers = 1;
  one.task_queue_size = 4;
  one.lease = 1s;
  one.processing_timeout = 4s;
  const auto journal = std::make_shared<Journal>();
  const auto go = std::make_shared<std::atomic<bool>>(false);
  RedisMessageQueue queue(one);
  queue.register_handler("t", [journal, go](Context& context) -> Task<> {
    journal->add(context);
    while (!*go) co_await sleep_for(5ms);
  });
  produce(queue, "t", "first");
  produce(queue, "t", "second");
  start(queue);
  ASSERT_TRUE(journal->wait_size(1));
  ASSERT_TRUE(wait_for(patience, [&] { return queue.status().local_queue_size == 1; }));
  const auto began = WaitClock::now();
  own.pause();
  ASSERT_TRUE(wait_for(patience, [&] { return WaitClock::now() > began + 1200ms; }));
  *go = true;
  // The second one is taken from the local queue, and its lease is not sure.
  ASSERT_TRUE(wait_for(patience, [&] { return queue.status().local_queue_size == 0; }));
  EXPECT_EQ(journal->size(), 1u);
  ASSERT_TRUE(wait_for(patience, [&] { return WaitClock::now() > began + 4300ms; }));
  EXPECT_EQ(queue.status().active_handlers, 1u) << "it waits";
  own.resume();
  EXPECT_TRUE(wait_for(patience, [&] { return stat(own, "t", "completed") == 2; }));
  EXPECT_EQ(journal->payloads(), (std::vector<json>{"first", "second"}));
  EXPECT_EQ(sync_wait(queue.metrics().collect({"t"})).zombies, 0);
  stop(queue);
}

TEST_F(QueueConnection, BatchSizeBoundsWhatOneScriptPromotes) {
  MQConfig small = config();
  small.batch_size = 2;
  small.max_workers = 1;
  small.task_queue_size = 1;
  const auto journal = std::make_shared<Journal>();
  RedisMessageQueue queue(small);
  // Points in time: a delay is reckoned from what is known of the server's clock, which is a little
  // more each time.
  const auto first = std::chrono::system_clock::now() + 200ms;
  for (int i = 0; i < 9; ++i) produce(queue, "t", i, ProduceOptions{}.at(first + i * 1ms));
  queue.register_handler("t", recorder(journal));
  start(queue);
  ASSERT_TRUE(journal->wait_size(9)) << "all of them all the same";
  EXPECT_EQ(journal->payloads(), (std::vector<json>{0, 1, 2, 3, 4, 5, 6, 7, 8}));
}

TEST_F(QueueConnection, MonitorIntervalTellsWhenConsumingStopsToWork) {
  RedisServer own;
  const auto errors = std::make_shared<std::atomic<int>>(0);
  set_log_sink([errors](LogLevel level, std::string_view text) {
    if (level == LogLevel::error && text.find("consuming does not work") != std::string_view::npos)
      ++*errors;
  });
  MQConfig watched = quick_config(own.url());
  watched.monitor_interval = 100ms;
  watched.command_timeout = 200ms;
  RedisMessageQueue queue(watched);
  queue.register_handler("t", nothing);
  start(queue);
  own.pause();
  EXPECT_TRUE(wait_for(patience, [&] { return *errors == 1; }));
  own.resume();
  EXPECT_TRUE(wait_for(
      patience, [&] { return sync_wait(queue.health_check()).healthy; }, 20ms));
  stop(queue);
  set_log_sink({});
}

}  // namespace
}  // namespace mx_rmq::test
