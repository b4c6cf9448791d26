// Handlers that block: what waits for a thread, what happens when there is none, and health
// meanwhile.
#include <sys/stat.h>

#include <atomic>
#include <memory>
#include <thread>

#include "support/queue_fixture.hpp"

namespace mx_rmq::test {
namespace {

using Flag = std::shared_ptr<std::atomic<bool>>;

class QueueBlocking : public QueueTest {
 protected:
  static std::shared_ptr<Runtime> runtime_with(int threads) {
    RuntimeOptions options;
    options.blocking_threads = threads;
    options.shutdown_timeout = 30s;
    return std::make_shared<Runtime>(options);
  }
  static MQConfig config_with(int threads) {
    MQConfig config = QueueTest::config();
    config.blocking_threads = threads;
    config.max_workers = 10;
    config.task_queue_size = 20;
    return config;
  }
  static HealthReport health(RedisMessageQueue& queue) { return sync_wait(queue.health_check()); }
  static bool reaches(const std::string& name, std::int64_t count) {
    return wait_for(
        patience, [&] { return stat(server(), "t", name) == count; }, 5ms);
  }
  static long threads_of_this_process() {
    struct stat tasks {};
    EXPECT_EQ(::stat("/proc/self/task", &tasks), 0);
    return static_cast<long>(tasks.st_nlink) - 2;
  }
};

// Opens the gate however a test ends, so that no thread is left behind.
class Opened {
 public:
  explicit Opened(Flag gate) : gate_(std::move(gate)) {}
  ~Opened() { *gate_ = true; }
  Opened(const Opened&) = delete;
  Opened& operator=(const Opened&) = delete;

 private:
  Flag gate_;
};

// Writes down what it gets; "hang" waits for the gate.
auto hangs(std::shared_ptr<Journal> journal, Flag gate) {
  return [journal, gate](const json& payload, Context& context) {
    journal->add(context);
    while (payload == "hang" && !*gate) std::this_thread::sleep_for(1ms);
  };
}

TEST_F(QueueBlocking, WhatGetsNoThreadInTimeGoesBackUncountedToWhoHasRoom) {
  const auto gate = std::make_shared<std::atomic<bool>>(false);
  const auto journal = std::make_shared<Journal>();
  MQConfig two = config_with(2);
  two.max_retries = 0;
  RedisMessageQueue queue(two, runtime_with(2));
  const Opened opened(gate);
  queue.register_handler("t", hangs(journal, gate), HandlerOptions{}.timeout(300ms));
  start(queue);
  for (int i = 0; i < 2; ++i) produce(queue, "t", "hang");
  ASSERT_TRUE(reaches("dead", 2)) << "they hang";
  Strings ids;
  for (int i = 0; i < 5; ++i) ids.push_back(produce(queue, "t", i));
  ASSERT_TRUE(wait_for(
      patience, [&] { return audit(server(), "t")["ready"] == 5; }, 5ms))
      << "they are given back";
  const HealthReport report = health(queue);
  EXPECT_FALSE(report.healthy);
  EXPECT_NE(report.checks.at("consuming").find("all 2 blocking threads are busy"),
            std::string::npos)
      << report.checks.at("consuming");
  EXPECT_EQ(queue.status().active_handlers + queue.status().local_queue_size, 0u);

  const auto others = std::make_shared<Journal>();
  RedisMessageQueue other(config_with(1), runtime_with(1));  // one thread: in order
  other.register_handler("t", hangs(others, gate), HandlerOptions{}.timeout(30s));
  start(other);
  ASSERT_TRUE(reaches("completed", 5)) << "somebody else has room";
  stop(other);
  for (const auto& run : others->runs()) EXPECT_EQ(run.attempt, 1) << "nothing was counted";
  EXPECT_EQ(others->payloads(), (std::vector<json>{0, 1, 2, 3, 4})) << "in order";
  EXPECT_EQ(stat(server(), "t", "dead"), 2);
  EXPECT_EQ(stat(server(), "t", "retried"), 0);

  *gate = true;
  EXPECT_TRUE(wait_for(
      patience, [&] { return health(queue).healthy; }, 5ms));
  produce(queue, "t", "last");
  ASSERT_TRUE(reaches("completed", 6)) << "it takes messages again";
  for (const auto& id : ids) EXPECT_EQ(journal->count(id), 0u) << "never called late";
  EXPECT_TRUE(sound(audit(server(), "t")));
}

TEST_F(QueueBlocking, AllThreadsKeptByHandlersThatHangAreSeenBeforeAMessageWaits) {
  const auto gate = std::make_shared<std::atomic<bool>>(false);
  const auto journal = std::make_shared<Journal>();
  MQConfig one = config_with(1);
  one.max_retries = 0;
  RedisMessageQueue queue(one, runtime_with(1));
  const Opened opened(gate);
  queue.register_handler("t", hangs(journal, gate), HandlerOptions{}.timeout(50ms));
  start(queue);
  EXPECT_TRUE(health(queue).healthy);
  produce(queue, "t", "hang");
  ASSERT_TRUE(reaches("dead", 1));
  const HealthReport report = health(queue);
  EXPECT_FALSE(report.healthy);
  EXPECT_NE(report.checks.at("consuming").find("all 1 blocking threads are busy"),
            std::string::npos);
  *gate = true;
  EXPECT_TRUE(wait_for(
      patience, [&] { return health(queue).healthy; }, 5ms));
}

TEST_F(QueueBlocking, TheDeadlineBeginsWhenTheHandlerDoes) {
  const auto gate = std::make_shared<std::atomic<bool>>(false);
  const auto left = std::make_shared<std::atomic<std::int64_t>>(0);
  const auto started = std::make_shared<std::atomic<std::int64_t>>(0);
  const auto journal = std::make_shared<Journal>();
  RedisMessageQueue queue(config_with(1), runtime_with(1));
  const Opened opened(gate);
  queue.register_handler(
      "t",
      [journal, gate, left, started](const json& payload, Context& context) {
        const auto time = context.deadline() - std::chrono::steady_clock::now();
        journal->add(context);
        while (payload == "first" && !*gate) std::this_thread::sleep_for(1ms);
        if (payload != "second") return;
        *left = std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
        *started =
            context.message().meta.processing_started_at.value_or(0) - context.message().created_at;
      },
      HandlerOptions{}.timeout(60s));
  start(queue);
  produce(queue, "t", "first");
  ASSERT_TRUE(journal->wait_size(1));
  produce(queue, "t", "second");
  // It waits for the thread; meanwhile it is not running.
  ASSERT_TRUE(wait_for(patience, [&] { return queue.status().local_queue_size == 1; }));
  EXPECT_EQ(queue.status().active_handlers, 1u);
  const auto since = WaitClock::now();
  ASSERT_TRUE(wait_for(patience, [&] { return WaitClock::now() - since >= 2s; }));
  *gate = true;
  ASSERT_TRUE(reaches("completed", 2));
  EXPECT_GT(*left, 58'500) << "what it waited is not taken off";
  EXPECT_GE(*started, 1'900) << "it says when it began";
}

TEST_F(QueueBlocking, StopGivesBackWhatWaitsForAThread) {
  const auto gate = std::make_shared<std::atomic<bool>>(false);
  const auto journal = std::make_shared<Journal>();
  RedisMessageQueue queue(config_with(1), runtime_with(1));
  const Opened opened(gate);
  queue.register_handler("t", hangs(journal, gate), HandlerOptions{}.timeout(60s));
  start(queue);
  produce(queue, "t", "hang");
  ASSERT_TRUE(journal->wait_size(1));
  for (int i = 0; i < 20; ++i) produce(queue, "t", i);
  ASSERT_TRUE(wait_for(patience, [&] { return audit(server(), "t")["processing"] == 21; }));
  std::thread stopper([&] { stop(queue); });
  EXPECT_TRUE(wait_for(patience, [&] { return audit(server(), "t")["ready"] == 20; }))
      << "while the one that runs still does";
  *gate = true;
  stopper.join();
  EXPECT_EQ(journal->size(), 1u);
  EXPECT_EQ(stat(server(), "t", "completed"), 1);
  const auto later = std::make_shared<Journal>();
  RedisMessageQueue next(config_with(1), runtime_with(1));
  next.register_handler("t", hangs(later, gate));
  start(next);
  ASSERT_TRUE(reaches("completed", 21));
  std::vector<json> expected;
  for (int i = 0; i < 20; ++i) expected.emplace_back(i);
  EXPECT_EQ(later->payloads(), expected) << "in order";
  for (const auto& run : later->runs()) EXPECT_EQ(run.attempt, 1);
}

TEST_F(QueueBlocking, WhatWasLostWhileItWaitedIsNotCalled) {
  const auto gate = std::make_shared<std::atomic<bool>>(false);
  const auto journal = std::make_shared<Journal>();
  MQConfig brief = config_with(1);
  brief.lease = 2s;
  RedisMessageQueue queue(brief, runtime_with(1));
  const Opened opened(gate);
  queue.register_handler("t", hangs(journal, gate), HandlerOptions{}.timeout(60s));
  start(queue);
  produce(queue, "t", "hang");
  ASSERT_TRUE(journal->wait_size(1));
  const std::string lost = produce(queue, "t", "lost");
  ASSERT_TRUE(wait_for(patience, [&] { return queue.status().local_queue_size == 1; }));
  server().command({"FLUSHALL"});
  ASSERT_TRUE(wait_for(patience, [&] { return queue.status().local_queue_size == 0; }));
  *gate = true;
  produce(queue, "t", "next");
  ASSERT_TRUE(reaches("completed", 1));
  EXPECT_EQ(journal->payloads(), (std::vector<json>{"hang", "next"}));
  EXPECT_EQ(journal->count(lost), 0u);
}

TEST_F(QueueBlocking, WhatExpiresWhileItWaitsIsNotCalled) {
  const auto gate = std::make_shared<std::atomic<bool>>(false);
  const auto journal = std::make_shared<Journal>();
  RedisMessageQueue queue(config_with(1), runtime_with(1));
  const Opened opened(gate);
  queue.register_handler("t", hangs(journal, gate), HandlerOptions{}.timeout(60s));
  start(queue);
  produce(queue, "t", "hang");
  ASSERT_TRUE(journal->wait_size(1));
  const std::string brief = produce(queue, "t", "brief", ProduceOptions{}.ttl(1s));
  ASSERT_TRUE(wait_for(patience, [&] { return queue.status().local_queue_size == 1; }));
  const auto since = WaitClock::now();
  ASSERT_TRUE(wait_for(patience, [&] { return WaitClock::now() - since > 1100ms; }));
  *gate = true;
  ASSERT_TRUE(reaches("dead", 1));
  const auto letter = sync_wait(queue.dead_letters().get("t", brief));
  ASSERT_TRUE(letter.has_value());
  EXPECT_EQ(letter->reason, "expired");
  EXPECT_EQ(journal->size(), 1u);
}

TEST_F(QueueBlocking, HealthChecksStartNoThreadsAndLeaveThePoolAsItIs) {
  const auto gate = std::make_shared<std::atomic<bool>>(false);
  const auto running = std::make_shared<std::atomic<int>>(0);
  const auto most = std::make_shared<std::atomic<int>>(0);
  MQConfig many = config_with(4);
  many.max_workers = 200;
  many.task_queue_size = 200;
  RedisMessageQueue queue(many, runtime_with(4));
  const Opened opened(gate);
  queue.register_handler("t", [gate, running, most](const json&) {
    const int now = ++*running;
    int before = *most;
    while (before < now && !most->compare_exchange_weak(before, now)) {
    }
    while (!*gate) std::this_thread::sleep_for(1ms);
    --*running;
  });
  start(queue);
  for (int i = 0; i < 100; ++i) produce(queue, "t", i);
  ASSERT_TRUE(
      wait_for(patience, [&] { return *running == 4 && queue.status().local_queue_size == 96; }));
  EXPECT_TRUE(health(queue).healthy) << "what waits may wait";
  const long before = threads_of_this_process();
  for (int i = 0; i < 50; ++i) EXPECT_EQ(health(queue).checks.at("loop"), "ok");
  EXPECT_LE(threads_of_this_process(), before + 1);
  *gate = true;
  ASSERT_TRUE(reaches("completed", 100));
  EXPECT_EQ(*most, 4) << "the bound still holds";
}

TEST_F(QueueBlocking, AStalledLoopIsSeenThoughAllThreadsAreBusy) {
  const auto gate = std::make_shared<std::atomic<bool>>(false);
  const auto stalls = std::make_shared<std::atomic<bool>>(false);
  const auto journal = std::make_shared<Journal>();
  RedisMessageQueue queue(config_with(1), runtime_with(1));
  const Opened opened(gate);
  queue.register_handler("t", hangs(journal, gate), HandlerOptions{}.timeout(60s));
  queue.register_handler("loop", [gate, stalls](const json&) -> Task<> {
    *stalls = true;
    while (!*gate) std::this_thread::sleep_for(1ms);  // what no coroutine may do
    co_return;
  });
  start(queue);
  produce(queue, "t", "hang");
  ASSERT_TRUE(journal->wait_size(1));
  // Not waited for: the loop may stall before it has read the reply.
  const auto produced = to_future(queue.produce("loop", 1));
  ASSERT_TRUE(wait_for(patience, [&] { return stalls->load(); }));
  const HealthReport report = health(queue);
  EXPECT_FALSE(report.healthy);
  EXPECT_NE(report.checks.at("loop").find("stalled"), std::string::npos);
}

}  // namespace
}  // namespace mx_rmq::test
