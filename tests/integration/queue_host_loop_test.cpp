// A whole queue on a libuv loop that the program runs.
#include <uv.h>

#include <atomic>
#include <thread>

#include "mx_rmq/libuv.hpp"
#include "support/queue_fixture.hpp"

namespace mx_rmq::test {
namespace {

using QueueHostLoop = QueueTest;

/// Runs the loop until `done` is set, then ends everything on it. What is awaited is awaited in
/// coroutines: the loop's thread waits for nothing.
class Host {
 public:
  Host() { EXPECT_EQ(::uv_loop_init(&loop_), 0); }
  ~Host() {
    while (::uv_run(&loop_, UV_RUN_DEFAULT) != 0) {
    }
    EXPECT_EQ(::uv_loop_close(&loop_), 0) << "something is left on the loop";
  }
  uv_loop_t* loop() { return &loop_; }
  void run(Task<> task) {
    std::exception_ptr error;
    bool ended = false;
    spawn(std::move(task), [&](std::exception_ptr what) {
      error = what;
      ended = true;
      ::uv_stop(&loop_);
    });
    while (!ended) ::uv_run(&loop_, UV_RUN_DEFAULT);
    if (error) std::rethrow_exception(error);
  }

 private:
  uv_loop_t loop_{};
};

Task<> produce_and_wait(RedisMessageQueue* queue, std::shared_ptr<Journal> journal) {
  co_await queue->start_background();
  for (int i = 0; i < 20; ++i) {
    json payload = i;
    co_await queue->produce(i % 2 == 0 ? "coroutine" : "blocking", std::move(payload));
  }
  for (int i = 0; i < 3000 && journal->size() < 20; ++i) co_await sleep_for(10ms);
  co_await queue->stop();
}

TEST_F(QueueHostLoop, ProducesAndHandlesOnTheThreadOfTheLoop) {
  const auto journal = std::make_shared<Journal>();
  std::atomic<int> elsewhere{0};
  const auto here = std::this_thread::get_id();
  Host host;
  {
    RedisMessageQueue queue(config(), Runtime::on(host.loop()));
    queue.register_handler("coroutine", [&, journal](Context& context) -> Task<> {
      if (std::this_thread::get_id() != here) ++elsewhere;
      journal->add(context);
      co_return;
    });
    queue.register_handler("blocking", [&, journal](Context& context) {
      if (std::this_thread::get_id() == here) ++elsewhere;
      journal->add(context);
    });
    host.run(produce_and_wait(&queue, journal));
  }
  EXPECT_EQ(journal->size(), 20u);
  EXPECT_EQ(elsewhere, 0);
  EXPECT_TRUE(wait_drained(server(), "coroutine"));
}

TEST_F(QueueHostLoop, OtherThreadsUseItWhileTheLoopRuns) {
  const auto journal = std::make_shared<Journal>();
  Host host;
  {
    RedisMessageQueue queue(config(), Runtime::on(host.loop()));
    queue.register_handler("t", recorder(journal));
    std::atomic<bool> over{false};
    std::thread other([&] {
      start(queue);
      for (int i = 0; i < 5; ++i) produce(queue, "t", i);
      EXPECT_TRUE(journal->wait_size(5));
      stop(queue);
      over = true;
    });
    while (!over) {
      ::uv_run(host.loop(), UV_RUN_NOWAIT);
      std::this_thread::yield();
    }
    other.join();
  }
  EXPECT_EQ(journal->size(), 5u);
}

// Destroyed while it works: what was under way ends, and the loop closes it all.
TEST_F(QueueHostLoop, AQueueThatIsDestroyedAtWorkLeavesNothingOnTheLoop) {
  const auto journal = std::make_shared<Journal>();
  Host host;
  auto queue = std::make_unique<RedisMessageQueue>(config(), Runtime::on(host.loop()));
  queue->register_handler("t", [&, journal](Context& context) -> Task<> {
    journal->add(context);
    queue.reset();
    co_return;
  });
  spawn(queue->start_background());
  spawn([](RedisMessageQueue* to) -> Task<> {
    json payload = 1;
    co_await to->produce("t", std::move(payload));
  }(queue.get()));
  ::uv_run(host.loop(), UV_RUN_DEFAULT);
  EXPECT_EQ(journal->size(), 1u);
}

}  // namespace
}  // namespace mx_rmq::test
