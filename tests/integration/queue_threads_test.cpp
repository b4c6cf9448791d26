// Handlers that do not stay on the loop thread: they await another Runtime's queue, an executor of
// the program's own, or something that resumes them in the middle of the library's work.
#include <atomic>
#include <condition_variable>
#include <coroutine>
#include <deque>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>

#include "support/build_kind.hpp"
#include "support/queue_fixture.hpp"

namespace mx_rmq::test {
namespace {

class QueueThreads : public QueueTest {
 protected:
  static bool reaches(const std::string& name, std::int64_t count, const std::string& topic = "t") {
    return wait_for(
        patience, [&] { return stat(server(), topic, name) >= count; }, 5ms);
  }
  // The numbers from 0 to `count`, into "t".
  static void produce_all(RedisMessageQueue& queue, int count) {
    std::vector<OutgoingMessage> batch;
    for (int i = 0; i < count; ++i) {
      batch.emplace_back("t", i);
      if (batch.size() == 1000 || i + 1 == count)
        sync_wait(queue.produce_batch(std::exchange(batch, {})));
    }
  }
};

// What a program may have beside the library: threads that resume coroutines.
class Executor {
 public:
  explicit Executor(int threads) {
    for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
  }
  ~Executor() {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    changed_.notify_all();
    for (auto& thread : threads_) thread.join();
  }
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  class Hop {
   public:
    explicit Hop(Executor& to) : to_(to) {}
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> coroutine) const { to_.post(coroutine); }
    void await_resume() const noexcept {}

   private:
    Executor& to_;
  };
  // Awaitable: goes on on one of the threads.
  Hop hop() { return Hop(*this); }

  // What comes waits from now on / goes on.
  void hold(bool on) {
    {
      const std::lock_guard lock(mutex_);
      held_ = on;
    }
    changed_.notify_all();
  }
  std::size_t waiting() {
    const std::lock_guard lock(mutex_);
    return waiting_.size();
  }

 private:
  void post(std::coroutine_handle<> coroutine) {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(coroutine);
    changed_.notify_one();
  }
  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return ending_ || (!held_ && !waiting_.empty()); });
      if (waiting_.empty()) return;
      const std::coroutine_handle<> next = waiting_.front();
      waiting_.pop_front();
      lock.unlock();
      next.resume();
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::coroutine_handle<>> waiting_;
  bool held_ = false;
  bool ending_ = false;
  std::vector<std::thread> threads_;
};

TEST_F(QueueThreads, AHandlerMayAwaitAQueueOfAnotherRuntime) {
  const int messages = scaled(20'000);
  MQConfig many = config();
  many.max_workers = 64;
  many.task_queue_size = 256;
  RedisMessageQueue other(config(), std::make_shared<Runtime>());
  RedisMessageQueue queue(many, std::make_shared<Runtime>());
  queue.register_handler("t", [to = &other](const json& payload) -> Task<> {
    auto produced = to->produce("out", payload);
    co_await std::move(produced);
  });
  produce_all(queue, messages);
  start(queue);
  ASSERT_TRUE(reaches("completed", messages));
  stop(queue);
  EXPECT_EQ(audit(server(), "out")["ready"], messages);
  EXPECT_TRUE(sound(audit(server(), "t")));
}

TEST_F(QueueThreads, AHandlerMayEndOnAThreadOfAnExecutor) {
  const int messages = scaled(20'000);
  MQConfig many = config();
  many.max_workers = 64;
  many.task_queue_size = 256;
  many.max_retries = 0;
  Executor executor(3);
  RedisMessageQueue queue(many, std::make_shared<Runtime>());
  const auto extended = std::make_shared<std::atomic<int>>(0);
  queue.register_handler(
      "t", [to = &executor, extended](const json& payload, Context& context) -> Task<> {
        const int number = payload.get<int>();
        co_await to->hop();
        if (number % 100 == 1) throw std::runtime_error("elsewhere");
        if (number % 100 == 2) throw Reject("elsewhere");
        if (number % 10 == 3) {
          co_await context.extend(1min);  // ends on the loop
          ++*extended;
          co_await to->hop();
        }
        if (number % 10 == 4) co_await sleep_for(1us);  // ends on the shared Runtime's loop
      });
  produce_all(queue, messages);
  start(queue);
  ASSERT_TRUE(reaches("dead", messages / 50));
  ASSERT_TRUE(reaches("completed", messages - messages / 50));
  stop(queue);
  EXPECT_EQ(*extended, messages / 10);
  EXPECT_TRUE(sound(audit(server(), "t")));
}

TEST_F(QueueThreads, ARunThatIsGivenUpWhileItIsElsewhereEndsThere) {
  MQConfig one = config();
  one.max_workers = 1;
  one.max_retries = 0;
  Executor executor(1);
  executor.hold(true);
  const auto journal = std::make_shared<Journal>();
  RedisMessageQueue queue(one, std::make_shared<Runtime>());
  queue.register_handler(
      "t",
      [to = &executor, journal](const json& payload, Context& context) -> Task<> {
        if (payload == "away") co_await to->hop();
        journal->add(context);
      },
      HandlerOptions{}.timeout(50ms));
  start(queue);
  produce(queue, "t", "away");
  ASSERT_TRUE(reaches("dead", 1));
  const auto zombies = [&] { return sync_wait(queue.metrics().collect({"t"})).zombies; };
  EXPECT_EQ(zombies(), 1);
  produce(queue, "t", "next");
  ASSERT_TRUE(reaches("completed", 1));
  executor.hold(false);
  EXPECT_TRUE(wait_for(patience, [&] { return zombies() == 0; }));
  EXPECT_EQ(journal->payloads(), (std::vector<json>{"next", "away"}));
  stop(queue);
  EXPECT_EQ(stat(server(), "t", "completed"), 1);
}

TEST_F(QueueThreads, AHandlerThatIsElsewhereMayOutliveItsQueue) {
  MQConfig hasty = config();
  hasty.shutdown_timeout = 0ms;
  Executor executor(2);
  executor.hold(true);
  const auto ended = std::make_shared<std::atomic<int>>(0);
  const auto runtime = std::make_shared<Runtime>();
  {
    RedisMessageQueue queue(hasty, runtime);
    queue.register_handler("t", [to = &executor, ended](const json&) -> Task<> {
      co_await to->hop();
      co_await to->hop();
      ++*ended;
    });
    start(queue);
    for (int i = 0; i < 3; ++i) produce(queue, "t", i);
    ASSERT_TRUE(wait_for(patience, [&] { return executor.waiting() == 3; }));
  }
  EXPECT_EQ(*ended, 0);
  executor.hold(false);
  EXPECT_TRUE(wait_for(patience, [&] { return *ended == 3; }));
  EXPECT_TRUE(wait_for(patience, [&] { return ended.use_count() == 1; })) << "the handler is freed";
  // Its thread is joined at the end of this test: TSan does not see libuv close a descriptor whose
  // number comes again.
  EXPECT_TRUE(wait_for(patience, [&] { return runtime.use_count() == 1; }));
}

// Goes on as soon as the stop token fires, in the middle of whatever fires it.
class UntilStopped {
 public:
  explicit UntilStopped(std::stop_token token) : token_(std::move(token)) {}
  bool await_ready() const noexcept { return token_.stop_requested(); }
  void await_suspend(std::coroutine_handle<> coroutine) {
    callback_.emplace(token_, Resume{coroutine});
  }
  void await_resume() const noexcept {}

 private:
  struct Resume {
    std::coroutine_handle<> coroutine;
    void operator()() const { coroutine.resume(); }
  };
  std::stop_token token_;
  std::optional<std::stop_callback<Resume>> callback_;
};

TEST_F(QueueThreads, AHandlerMayGoOnInsideTheCallOfItsStopTokenAtTheDeadline) {
  const auto journal = std::make_shared<Journal>();
  RedisMessageQueue queue(config());
  queue.register_handler(
      "t",
      [journal](Context& context) -> Task<> {
        UntilStopped stopped(context.stop_token());
        co_await stopped;
        journal->add(context);
      },
      HandlerOptions{}.timeout(30ms));
  start(queue);
  for (int i = 0; i < 20; ++i) produce(queue, "t", i);
  ASSERT_TRUE(reaches("completed", 20));
  EXPECT_EQ(journal->size(), 20u);
}

TEST_F(QueueThreads, AHandlerMayGoOnInsideTheCallOfItsStopTokenAtStop) {
  MQConfig hasty = config();
  hasty.shutdown_timeout = 0ms;
  hasty.max_workers = 8;
  RedisMessageQueue queue(hasty);
  // Each one that is told ends them all.
  const auto waiting = std::make_shared<std::vector<std::coroutine_handle<>>>();
  struct EndsAll {
    std::shared_ptr<std::vector<std::coroutine_handle<>>> waiting;
    void operator()() const {
      const auto all = std::exchange(*waiting, {});
      for (const auto coroutine : all) coroutine.resume();
    }
  };
  struct Wait {
    std::shared_ptr<std::vector<std::coroutine_handle<>>> waiting;
    explicit Wait(std::shared_ptr<std::vector<std::coroutine_handle<>>> list)
        : waiting(std::move(list)) {}
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> coroutine) { waiting->push_back(coroutine); }
    void await_resume() const noexcept {}
  };
  const auto begun = std::make_shared<std::atomic<int>>(0);
  queue.register_handler("t", [waiting, begun](Context& context) -> Task<> {
    const std::stop_callback<EndsAll> callback(context.stop_token(), EndsAll{waiting});
    ++*begun;
    Wait wait(waiting);
    co_await wait;
  });
  start(queue);
  for (int i = 0; i < 8; ++i) produce(queue, "t", i);
  ASSERT_TRUE(wait_for(patience, [&] { return *begun == 8; }));
  stop(queue);
  EXPECT_EQ(stat(server(), "t", "completed"), 8);
}

// On the loop thread of a Runtime that is not the queue's.
Task<> drop(std::unique_ptr<RedisMessageQueue> queue) {
  co_await sleep_for(1ms);
  queue.reset();
}

TEST_F(QueueThreads, AQueueMayBeDestroyedOnAnotherRuntimesLoop) {
  const auto journal = std::make_shared<Journal>();
  const auto runtime = std::make_shared<Runtime>();
  auto queue = std::make_unique<RedisMessageQueue>(config(), runtime);
  queue->register_handler("t", recorder(journal));
  start(*queue);
  produce(*queue, "t", 1);
  ASSERT_TRUE(journal->wait_size(1));
  sync_wait(drop(std::move(queue)));
  EXPECT_TRUE(wait_for(patience, [&] {
    return server().command({"ZCARD", key_of("t", "consumers")}).num() == 0;
  })) << "it has stopped";
  // Joined here, for the same reason as above.
  EXPECT_TRUE(wait_for(patience, [&] { return runtime.use_count() == 1; }));
}

}  // namespace
}  // namespace mx_rmq::test
