// Faults of the Python original in what it said, measured and refused; and the cost of many topics.
#include <atomic>
#include <cstdlib>
#include <type_traits>

#include "api/tls_built_in.hpp"
#include "support/build_kind.hpp"
#include "support/queue_fixture.hpp"

namespace mx_rmq::test {
namespace {

class Defects : public QueueTest {};

TEST_F(Defects, P17_start_run_and_start_background_consume_alike) {
  const auto journal = std::make_shared<Journal>();
  const auto consume = [&](auto begin) {
    RedisMessageQueue queue(config());
    queue.register_handler("t", recorder(journal));
    begin(queue);
  };
  const auto one_more = [&] {
    RedisMessageQueue producer(config());
    const std::string id = produce(producer, "t", 1);
    return wait_for(patience, [&] { return journal->count(id) == 1; });
  };
  consume([&](RedisMessageQueue& queue) {
    start(queue);
    EXPECT_TRUE(queue.is_running());
    EXPECT_TRUE(one_more());
  });
  consume([&](RedisMessageQueue& queue) {
    std::thread foreground([&] { sync_wait(queue.start()); });
    EXPECT_TRUE(one_more());
    stop(queue);
    foreground.join();  // start() returns when stopped
    EXPECT_FALSE(queue.is_running());
  });
  consume([&](RedisMessageQueue& queue) {
    std::thread foreground([&] { queue.run(); });
    EXPECT_TRUE(one_more());
    stop(queue);
    foreground.join();
  });
  consume([&](RedisMessageQueue& queue) {
    std::thread other([&] { EXPECT_TRUE(one_more()); });
    queue.run(2s);
    other.join();
    EXPECT_FALSE(queue.is_running());
  });
}

TEST_F(Defects, P18_unknown_variables_are_refused) {
  ::setenv("MX_RMQ_MAX_WORKER", "3", 1);
  const std::string error = thrown_by([] { MQConfig::from_env(); });
  ::unsetenv("MX_RMQ_MAX_WORKER");
  EXPECT_NE(error.find("MX_RMQ_MAX_WORKER"), std::string::npos) << error;
  ::setenv("MQ_MAX_WORKERS", "3", 1);
  EXPECT_EQ(MQConfig::from_env().max_workers, 3);
  ::unsetenv("MQ_MAX_WORKERS");
}

TEST_F(Defects, P19_tls_that_is_asked_for_is_never_plaintext) {
  RedisServer plain({.tcp = true});
  MQConfig tls = config();
  tls.redis_url = "rediss://127.0.0.1:" + std::to_string(plain.port());
  tls.connect_timeout = 300ms;
  std::string error;
  if (api::tls_built_in()) {
    RedisMessageQueue queue(tls);
    EXPECT_THROW(sync_wait(queue.initialize()), TlsError);
    error = sync_wait(queue.health_check()).checks.at("redis");
    sync_wait(queue.cleanup());
    const std::string stats = plain.command({"INFO", "commandstats"}).str();
    EXPECT_EQ(stats.find("cmdstat_role"), std::string::npos) << stats;
    EXPECT_EQ(stats.find("cmdstat_script"), std::string::npos) << stats;
  } else {
    EXPECT_THROW(tls.validate(), ConfigError);
    EXPECT_THROW(RedisMessageQueue{tls}, ConfigError);
    error = thrown_by([&] { tls.validate(); });
  }
  EXPECT_NE(error.find("TLS"), std::string::npos) << error;
}

// What one acknowledgement costs Redis, in microseconds: the best of a few calls.
double cost_of_an_ack(RedisServer& server, int in_flight) {
  const std::string held = key_of("cost", "processing:c.1");
  const std::string consumers = key_of("cost", "consumers");
  server.command({"DEL", held});
  server.command({"ZADD", consumers, "9999999999999", "c.1"});
  for (int i = 0; i < in_flight; i += 1000) {
    Strings call{"HSET", held};
    for (int j = i + 1; j <= std::min(i + 1000, in_flight); ++j) {
      call.push_back("1." + std::to_string(j));
      call.push_back("x");
    }
    server.command(call);
  }
  const std::string sha = server.command({"SCRIPT", "LOAD", std::string(lua::ack.source)}).str();
  double best = 1e9;
  for (int i = 1; i <= 10; ++i) {
    server.command({"CONFIG", "RESETSTAT"});
    server.command({"EVALSHA", sha, "3", held, consumers, key_of("cost", "stats"), "c.1",
                    "completed", "", "0", "1." + std::to_string(i)});
    const std::string info = server.command({"INFO", "commandstats"}).str();
    const std::string name = "cmdstat_evalsha:calls=1,usec=";
    const auto at = info.find(name);
    if (at == std::string::npos) return -1;
    best = std::min(best, std::stod(info.substr(at + name.size())));
  }
  EXPECT_EQ(server.command({"HLEN", held}).num(), in_flight - 10);
  return best;
}

TEST_F(Defects, P30_acknowledging_costs_the_same_beside_a_hundred_thousand_in_flight) {
  const double few = cost_of_an_ack(server(), 10 + 1);
  const double many = cost_of_an_ack(server(), 100'000);
  ASSERT_GT(few, 0);
  EXPECT_LT(many, 5 * few + 50) << "a walk over 100,000 takes thousands";
}

TEST_F(Defects, P30_a_slow_topic_beside_a_fast_one_and_many_topics_on_few_connections) {
  MQConfig few = config();
  few.max_workers = 4;
  few.task_queue_size = 8;
  few.expired_check_interval = 10s;  // 200 topics swept five times a second are a load of their own
  few.processing_monitor_interval = 30s;
  const auto fast = std::make_shared<Journal>();
  const auto go = std::make_shared<std::atomic<bool>>(false);
  RedisMessageQueue queue(few);
  queue.register_handler("slow", [go](const json&) -> Task<> {
    while (!*go) co_await sleep_for(5ms);
  });
  queue.register_handler("fast", recorder(fast));
  const int topics = sanitized ? 70 : 200;  // more than one waiting connection serves
  for (int i = 0; i < topics; ++i)
    queue.register_handler("topic" + std::to_string(i), recorder(fast));
  std::vector<OutgoingMessage> messages(100, OutgoingMessage("slow", 1));
  sync_wait(queue.produce_batch(std::move(messages)));
  start(queue);
  for (int i = 0; i < 20; ++i) produce(queue, "fast", i);
  EXPECT_TRUE(fast->wait_size(20)) << "it is not starved";
  for (int i = 0; i < topics; ++i) produce(queue, "topic" + std::to_string(i), i);
  EXPECT_TRUE(fast->wait_size(20 + topics));
  const std::string clients = server().command({"CLIENT", "LIST"}).str();
  EXPECT_LE(occurrences(clients, "name=mx-rmq"), (3u + topics / 64 + 1) * TestRedis::get().nodes())
      << clients;
  *go = true;
  ASSERT_TRUE(wait_drained(server(), "slow"));
}

TEST_F(Defects, P31_metrics_equal_a_counted_truth) {
  MQConfig quick = config();
  quick.max_retries = 1;
  const auto journal = std::make_shared<Journal>();
  RedisMessageQueue queue(quick);
  queue.register_handler("t", [journal](const json& payload, Context& context) -> Task<> {
    journal->add(context);
    co_await sleep_for(20ms);
    if (payload == "fail") throw std::runtime_error("always");
  });
  for (int i = 0; i < 5; ++i) produce(queue, "t", "ok");
  for (int i = 0; i < 2; ++i) produce(queue, "t", "fail");
  produce(queue, "t", "later", ProduceOptions{}.delay(1h));
  const std::string gone = produce(queue, "t", "gone", ProduceOptions{}.delay(1h));
  produce(queue, "t", "x", ProduceOptions{}.delay(1h).message_id("twice"));
  produce(queue, "t", "x", ProduceOptions{}.delay(1h).message_id("twice"));
  EXPECT_TRUE(sync_wait(queue.cancel("t", gone)));
  start(queue);
  ASSERT_TRUE(wait_for(patience, [&] {
    return stat(server(), "t", "completed") == 5 && stat(server(), "t", "dead") == 2;
  }));
  const MetricsSnapshot snapshot = sync_wait(queue.metrics().collect({"t", "unused"}));
  const TopicMetrics& metrics = snapshot.topics.at("t");
  EXPECT_EQ(metrics.pending, 0);
  EXPECT_EQ(metrics.processing, 0);
  EXPECT_EQ(metrics.delayed, 2);
  EXPECT_EQ(metrics.dead_letters, 2);
  EXPECT_EQ(metrics.counters.produced, 10);
  EXPECT_EQ(metrics.counters.duplicates, 1);
  EXPECT_EQ(metrics.counters.completed, 5);
  EXPECT_EQ(metrics.counters.retried, 2);
  EXPECT_EQ(metrics.counters.dead, 2);
  std::int64_t by_reason = 0;
  for (const auto& [reason, count] : metrics.dead_by_reason) by_reason += count;
  EXPECT_EQ(by_reason, 2);
  EXPECT_FALSE(metrics.ages.oldest()) << "nothing waits";
  EXPECT_EQ(metrics.counters.cancelled, 1);
  EXPECT_EQ(metrics.counters.lease_lost, 0);
  EXPECT_GE(metrics.avg_time_ms, 20);
  EXPECT_GE(metrics.max_time_ms, metrics.avg_time_ms);
  EXPECT_GT(snapshot.messages_per_minute, 0);
  const json flat = snapshot.to_json();
  for (const char* name :
       {"queue.t.pending", "queue.t.processing", "queue.t.delayed", "queue.t.total",
        "queue.dlq.count", "processing.t.avg_time", "processing.t.max_time",
        "throughput.messages_per_minute", "queue.unused.total"})
    EXPECT_TRUE(flat.contains(name)) << name;
  EXPECT_EQ(flat.value("queue.t.total", -1), 2);
  EXPECT_EQ(flat.value("queue.dlq.count", -1), 2);
  EXPECT_NE(snapshot.to_prometheus().find("topic=\"t\""), std::string::npos);
}

TEST(DefectsHealth, P31_health_turns_red_when_redis_is_gone_when_the_loop_stalls_and_after_stop) {
  RedisServer server;
  MQConfig config = quick_config(server.url());
  config.command_timeout = 500ms;
  const auto runtime = std::make_shared<Runtime>();
  const auto go = std::make_shared<std::atomic<bool>>(false);
  const auto inside = std::make_shared<std::atomic<bool>>(false);
  RedisMessageQueue queue(config, runtime);
  queue.register_handler("t", [go, inside](const json&) -> Task<> {
    *inside = true;
    // What no coroutine may do: it holds up the loop.
    while (!*go) std::this_thread::sleep_for(1ms);
    co_return;
  });
  const auto health = [&] { return sync_wait(queue.health_check()); };
  EXPECT_TRUE(health().healthy) << "a producer needs no consumer";
  sync_wait(queue.start_background());
  EXPECT_TRUE(health().healthy);
  server.pause();
  HealthReport report = health();
  EXPECT_FALSE(report.healthy);
  EXPECT_NE(report.checks.at("redis"), "ok");
  server.resume();
  EXPECT_TRUE(wait_for(
      patience, [&] { return health().healthy; }, 20ms));
  server.stop();
  EXPECT_FALSE(health().healthy);
  server.restart();
  EXPECT_TRUE(wait_for(
      patience, [&] { return health().healthy; }, 20ms))
      << "by itself";
  // Not waited for: the loop may stall before it has read the reply.
  auto produced = to_future(queue.produce("t", 1));
  ASSERT_TRUE(wait_for(patience, [&] { return inside->load(); }));
  report = health();
  EXPECT_FALSE(report.healthy);
  EXPECT_NE(report.checks.at("loop").find("stalled"), std::string::npos);
  *go = true;
  EXPECT_NO_THROW(produced.get());
  EXPECT_TRUE(wait_for(
      patience, [&] { return health().healthy; }, 20ms));
  sync_wait(queue.stop());
  report = health();
  EXPECT_FALSE(report.healthy);
  EXPECT_EQ(report.checks.at("consuming"), "stopped");
}

// What is refused at compile time is tested beside the headers; here, that a plain result is not
// awaited.
TEST_F(Defects, P32_a_plain_handler_runs_once_on_a_thread_that_may_block) {
  const auto runs = std::make_shared<std::atomic<int>>(0);
  const auto runtime = std::make_shared<Runtime>();
  const auto on_loop = std::make_shared<std::atomic<bool>>(false);
  RedisMessageQueue queue(config(), runtime);
  queue.register_handler("t", [runs, on_loop, loop = runtime.get()](const json&) {
    if (loop->on_loop_thread()) *on_loop = true;
    ++*runs;
  });
  start(queue);
  produce(queue, "t", 1);
  ASSERT_TRUE(wait_for(patience, [&] { return stat(server(), "t", "completed") == 1; }));
  EXPECT_EQ(*runs, 1);
  EXPECT_FALSE(*on_loop);
}

}  // namespace
}  // namespace mx_rmq::test
