// Handlers on executors of the program's own.
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <thread>

#include "support/queue_fixture.hpp"

namespace mx_rmq::test {
namespace {

// One thread, as of a window: what it is given it does in order, until it ends.
class OneThread {
 public:
  OneThread() : thread_([this] { work(); }) {}
  ~OneThread() {
    post({});
    thread_.join();
  }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

  void post(std::function<void()> work) {
    const std::lock_guard lock(mutex_);
    work_.push_back(std::move(work));
    changed_.notify_one();
  }
  std::thread::id id() const { return thread_.get_id(); }
  std::size_t waiting() {
    const std::lock_guard lock(mutex_);
    return work_.size();
  }

 private:
  void work() {
    for (;;) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return !work_.empty(); });
      const auto next = std::move(work_.front());
      work_.pop_front();
      lock.unlock();
      if (!next) return;
      next();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> work_;
  std::thread thread_;
};

class QueueExecutor : public QueueTest {
 protected:
  static bool reaches(const std::string& name, std::int64_t count) {
    return wait_for(
        patience, [&] { return stat(server(), "t", name) == count; }, 5ms);
  }
};

TEST_F(QueueExecutor, HandlersRunOnItAndNowhereElse) {
  OneThread window;
  const auto journal = std::make_shared<Journal>();
  std::mutex mutex;
  std::set<std::thread::id> threads;
  RedisMessageQueue queue(config());
  queue.register_handler(
      "t",
      [&, journal](const json& payload, Context& context) {
        {
          const std::lock_guard lock(mutex);
          threads.insert(std::this_thread::get_id());
        }
        journal->add(context);
        sync_wait(context.extend(10s));
        if (payload == 3 && context.attempt() == 1) throw std::runtime_error("once more");
      },
      HandlerOptions{}.executor([&window](auto work) { window.post(std::move(work)); }));
  start(queue);
  for (int i = 0; i < 10; ++i) produce(queue, "t", i);
  ASSERT_TRUE(reaches("completed", 10));
  EXPECT_EQ(stat(server(), "t", "retried"), 1);
  EXPECT_EQ(journal->size(), 11u);
  const std::lock_guard lock(mutex);
  EXPECT_EQ(threads, std::set{window.id()});
}

TEST_F(QueueExecutor, ARunThatHangsThereIsGivenUpAtItsDeadlineAndKeepsNoThreadOfTheLibrary) {
  const auto gate = std::make_shared<std::atomic<bool>>(false);
  MQConfig one = config();
  one.max_retries = 0;
  one.blocking_threads = 1;
  OneThread window;
  {
    RuntimeOptions options;
    options.blocking_threads = 1;
    RedisMessageQueue queue(one, std::make_shared<Runtime>(options));
    queue.register_handler(
        "t",
        [gate](const json&) {
          while (!*gate) std::this_thread::sleep_for(1ms);
        },
        HandlerOptions{}.timeout(50ms).executor([&](auto work) { window.post(std::move(work)); }));
    start(queue);
    produce(queue, "t", 1);
    ASSERT_TRUE(reaches("dead", 1));
    EXPECT_TRUE(sync_wait(queue.health_check()).healthy);
    *gate = true;
  }
}

TEST_F(QueueExecutor, WhatItDoesNotRunInTimeIsGivenBackUncounted) {
  const auto gate = std::make_shared<std::atomic<bool>>(false);
  const auto journal = std::make_shared<Journal>();
  OneThread window;
  RedisMessageQueue queue(config());
  queue.register_handler(
      "t", [journal](Context& context) { journal->add(context); },
      HandlerOptions{}.timeout(100ms).executor([&](auto work) { window.post(std::move(work)); }));
  start(queue);
  window.post([gate] {
    while (!*gate) std::this_thread::sleep_for(1ms);
  });
  produce(queue, "t", 1);
  EXPECT_TRUE(wait_for(patience, [&] {
    const std::string says = sync_wait(queue.health_check()).checks.at("consuming");
    return says.find("the executor of topic t does not keep up") != std::string::npos;
  }));
  EXPECT_TRUE(wait_for(patience, [&] { return audit(server(), "t")["ready"] == 1; }));
  *gate = true;
  ASSERT_TRUE(reaches("completed", 1));
  EXPECT_EQ(journal->size(), 1u);
  EXPECT_EQ(journal->runs()[0].attempt, 1);
  EXPECT_TRUE(wait_for(patience, [&] { return sync_wait(queue.health_check()).healthy; }));
}

TEST_F(QueueExecutor, WhatItRefusesOrDropsComesBackWhenItTakesWorkAgain) {
  OneThread window;
  std::atomic<int> refused{0};
  std::atomic<int> dropped{0};
  RedisMessageQueue queue(config());
  queue.register_handler(
      "t", [](const json&) {}, HandlerOptions{}.executor([&](std::function<void()> work) {
        if (refused < 1) {
          ++refused;
          throw std::runtime_error("full");
        }
        if (dropped < 1) {
          ++dropped;
          return;
        }
        window.post(std::move(work));
      }));
  start(queue);
  for (int i = 0; i < 3; ++i) produce(queue, "t", i);
  ASSERT_TRUE(reaches("completed", 3));
  EXPECT_EQ(stat(server(), "t", "retried"), 0);
}

TEST_F(QueueExecutor, AStopGivesBackWhatWaitsForItsTurn) {
  const auto gate = std::make_shared<std::atomic<bool>>(false);
  OneThread window;
  window.post([gate] {
    while (!*gate) std::this_thread::sleep_for(1ms);
  });
  {
    RedisMessageQueue queue(config());
    queue.register_handler(
        "t", [](const json&) { ADD_FAILURE() << "it never had its turn"; },
        HandlerOptions{}.executor([&](auto work) { window.post(std::move(work)); }));
    start(queue);
    for (int i = 0; i < 3; ++i) produce(queue, "t", i);
    ASSERT_TRUE(wait_for(patience, [&] { return window.waiting() == 3; }));
    stop(queue);
    EXPECT_EQ(audit(server(), "t")["ready"], 3);
  }
  *gate = true;
}

TEST_F(QueueExecutor, ACoroutineHasNone) {
  RedisMessageQueue queue(config());
  EXPECT_THROW(queue.register_handler(
                   "t", [](const json&) -> Task<> { co_return; },
                   HandlerOptions{}.executor([](auto work) { work(); })),
               std::invalid_argument);
}

}  // namespace
}  // namespace mx_rmq::test
