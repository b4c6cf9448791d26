// Pausing a topic, and interrupting a message: what is promised of them, over all processes and
// partitions.
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "broker/data/partitions.hpp"
#include "support/queue_fixture.hpp"

namespace mx_rmq::test {
namespace {

class QueuePause : public QueueTest {
 protected:
  // Many are prefetched, while two run.
  static MQConfig prefetching() {
    MQConfig config = QueueTest::config();
    config.max_workers = 2;
    config.task_queue_size = 50;
    return config;
  }
  static void produce_some(RedisMessageQueue& queue, const std::string& topic, int count) {
    std::vector<OutgoingMessage> batch;
    for (int i = 0; i < count; ++i) batch.emplace_back(topic, i);
    static_cast<void>(sync_wait(queue.produce_batch(std::move(batch))));
  }
  static MetricsSnapshot metrics(RedisMessageQueue& queue, const std::string& topic) {
    return sync_wait(queue.metrics().collect({topic}));
  }
  // How many had begun at that time.
  static std::size_t begun_by(const Journal& journal, WaitClock::time_point when) {
    const auto runs = journal.runs();
    return static_cast<std::size_t>(
        std::ranges::count_if(runs, [&](const Handled& run) { return run.at < when; }));
  }
};

// Handlers that may end only when they are let go.
struct Gate {
  std::atomic<bool> open{false};
};

auto waiting_handler(std::shared_ptr<Journal> journal, std::shared_ptr<Gate> gate) {
  return [journal, gate](Context& context) -> Task<> {
    journal->add(context);
    while (!gate->open) co_await sleep_for(2ms);
  };
}

auto blocking_handler(std::shared_ptr<Journal> journal, std::shared_ptr<Gate> gate) {
  return [journal, gate](Context& context) {
    journal->add(context);
    while (!gate->open) std::this_thread::sleep_for(2ms);
  };
}

TEST_F(QueuePause, NothingBeginsAfterItHasReturnedAndEverythingAfterTheResume) {
  for (const bool blocking : {false, true}) {
    const std::string topic = blocking ? "blocking" : "coroutine";
    auto journal = std::make_shared<Journal>();
    auto gate = std::make_shared<Gate>();
    RedisMessageQueue worker(prefetching());
    if (blocking) {
      worker.register_handler(topic, blocking_handler(journal, gate));
    } else {
      worker.register_handler(topic, waiting_handler(journal, gate));
    }
    RedisMessageQueue operator_(config());
    start(worker);
    produce_some(operator_, topic, 40);
    ASSERT_TRUE(journal->wait_size(2));
    EXPECT_EQ(sync_wait(operator_.admin().pause(topic)).unanswered, 0);
    const auto returned = WaitClock::now();
    EXPECT_TRUE(metrics(operator_, topic).topics.at(topic).paused);
    gate->open = true;  // the workers would take the next ones
    produce_some(operator_, topic, 5);
    // What ran has ended, and all the others are back where they were.
    ASSERT_TRUE(wait_for(patience, [&] {
      const TopicMetrics now = metrics(operator_, topic).topics.at(topic);
      return now.processing == 0 && now.pending == 45 - now.counters.completed;
    }));
    const auto resumed = WaitClock::now();
    EXPECT_EQ(begun_by(*journal, resumed), begun_by(*journal, returned));
    sync_wait(operator_.admin().resume(topic));
    EXPECT_FALSE(metrics(operator_, topic).topics.at(topic).paused);
    ASSERT_TRUE(wait_for(patience, [&] { return stat(server(), topic, "completed") == 45; }));
    EXPECT_EQ(journal->size(), 45U) << "none began twice";
    EXPECT_TRUE(sound(audit(server(), topic)));
    stop(worker);
  }
}

TEST_F(QueuePause, HoldsForThoseThatStartLaterAndEndsByItself) {
  RedisMessageQueue operator_(config());
  produce_some(operator_, "t", 3);
  produce(operator_, "t", "delayed", ProduceOptions().delay(1ms));
  const auto before = WaitClock::now();
  EXPECT_EQ(sync_wait(operator_.admin().pause("t", 1500ms)).unanswered, 0);
  const TopicMetrics paused = metrics(operator_, "t").topics.at("t");
  EXPECT_TRUE(paused.paused);
  EXPECT_TRUE(paused.paused_until.has_value());
  auto journal = std::make_shared<Journal>();
  MQConfig rarely = config();
  rarely.expired_check_interval = 1h;  // no sweep helps
  rarely.processing_monitor_interval = 1h;
  RedisMessageQueue worker(rarely);
  worker.register_handler("t", recorder(journal));
  start(worker);
  ASSERT_TRUE(journal->wait_size(4));
  // By the server's clock, which is cut down to milliseconds.
  EXPECT_EQ(begun_by(*journal, before + 1490ms), 0U);
  stop(worker);
}

TEST_F(QueuePause, CoversAllPartitionsOfATopic) {
  constexpr int many = 4;
  RedisMessageQueue operator_(config());
  sync_wait(operator_.configure("wide", TopicSettings{}.partitions(many)));
  auto journal = std::make_shared<Journal>();
  auto gate = std::make_shared<Gate>();
  RedisMessageQueue worker(prefetching());
  worker.register_handler("wide", waiting_handler(journal, gate));
  start(worker);
  for (int i = 0; i < 60; ++i)
    produce(operator_, "wide", i, ProduceOptions().key("k" + std::to_string(i)));
  ASSERT_TRUE(journal->wait_size(2));
  EXPECT_EQ(sync_wait(operator_.admin().pause("wide")).unanswered, 0);
  const auto returned = WaitClock::now();
  gate->open = true;
  ASSERT_TRUE(wait_for(patience, [&] {
    const TopicMetrics now = metrics(operator_, "wide").topics.at("wide");
    return now.processing == 0 && now.pending == 60 - now.counters.completed;
  }));
  const auto resumed = WaitClock::now();
  sync_wait(operator_.admin().resume("wide"));
  ASSERT_TRUE(wait_for(patience, [&] {
    return metrics(operator_, "wide").topics.at("wide").counters.completed == 60;
  }));
  EXPECT_EQ(begun_by(*journal, resumed), begun_by(*journal, returned));
  EXPECT_EQ(journal->size(), 60U);
  stop(worker);
}

// One that was killed, whose lease goes on.
TEST_F(QueuePause, WhoDoesNotAnswerIsTold) {
  RedisMessageQueue operator_(config());
  produce(operator_, "t", 1);
  server().command({"ZADD", key_of("t", "consumers"), "99999999999999", "killed.0"});
  EXPECT_EQ(sync_wait(operator_.admin().pause("t")).unanswered, 1);
  EXPECT_NE(thrown_by([&] { static_cast<void>(sync_wait(operator_.interrupt("t", "x"))); }), "");
  server().command({"ZREM", key_of("t", "consumers"), "killed.0"});
  EXPECT_FALSE(sync_wait(operator_.interrupt("t", "x")));
  sync_wait(operator_.admin().resume("t"));
  sync_wait(operator_.admin().resume("never.seen"));
  EXPECT_EQ(server().command({"EXISTS", key_of("never.seen", "settings")}).num(), 0);
}

TEST_F(QueuePause, ArgumentsThatAreWrongAreRefusedBeforeAnythingIsSent) {
  RedisMessageQueue queue(quick_config("redis://nowhere.invalid"));
  EXPECT_THROW(static_cast<void>(queue.admin().pause("a b")), std::invalid_argument);
  EXPECT_THROW(static_cast<void>(queue.admin().resume("")), std::invalid_argument);
  EXPECT_THROW(static_cast<void>(queue.interrupt("t", "")), std::invalid_argument);
  EXPECT_EQ(thrown_by([&] { static_cast<void>(queue.admin().pause("t", 0ms)); }),
            "duration: 0 ms is not allowed; 1 ms to 100 years are");
}

TEST_F(QueuePause, AnInterruptReachesTheOneRunWhereverItIs) {
  auto journal = std::make_shared<Journal>();
  const auto until_stopped = [journal](Context& context) -> Task<> {
    journal->add(context);
    const std::stop_token stop = context.stop_token();
    while (!stop.stop_requested()) co_await sleep_for(2ms);
    if (context.attempt() == 1) throw std::runtime_error("interrupted");
  };
  std::vector<std::unique_ptr<RedisMessageQueue>> workers;
  for (int i = 0; i < 2; ++i) {
    workers.push_back(std::make_unique<RedisMessageQueue>(config()));
    workers.back()->register_handler("t", until_stopped);
    start(*workers.back());
  }
  RedisMessageQueue operator_(config());
  const std::string id = produce(operator_, "t", 1);
  ASSERT_TRUE(journal->wait_size(1));
  EXPECT_TRUE(sync_wait(operator_.interrupt("t", id)));
  ASSERT_TRUE(journal->wait_size(2)) << "it failed, and is tried again";
  EXPECT_TRUE(sync_wait(operator_.interrupt("t", id)));
  ASSERT_TRUE(wait_for(patience, [&] { return stat(server(), "t", "completed") == 1; }));
  EXPECT_FALSE(sync_wait(operator_.interrupt("t", id))) << "nobody runs it any more";
  for (auto& worker : workers) stop(*worker);
}

}  // namespace
}  // namespace mx_rmq::test
