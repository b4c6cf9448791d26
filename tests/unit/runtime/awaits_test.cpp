// The public functions that wait: sync_wait, sleep_for, run_blocking.

#include <algorithm>
#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "mx_rmq/errors.hpp"
#include "mx_rmq/runtime.hpp"
#include "mx_rmq/sync_wait.hpp"

#include "runtime/blocking_pool.hpp"
#include "runtime/scope.hpp"

#include "loop_test.hpp"
#include "support/wait.hpp"

namespace mx_rmq::test {
namespace {

using runtime::EventLoop;
using runtime::MonoClock;
using runtime::Scope;

class SyncWaitTest : public LoopTest {};
class SleepForTest : public LoopTest {};
class RunBlockingTest : public LoopTest {};

void unexpected(std::exception_ptr error) { std::rethrow_exception(error); }

Task<int> five() { co_return 5; }

TEST_F(SyncWaitTest, RefusesOnALoopThread) {
  EXPECT_EQ(call([] {
              try {
                return sync_wait(five());
              } catch (const std::logic_error&) {
                return -1;
              }
            }),
            -1);
}

TEST_F(SyncWaitTest, WorksOnABlockingThread) {
  auto call = run_blocking([] { return sync_wait(five()); });
  EXPECT_EQ(run(std::move(call)), 5);
}

Task<int> through_the_loop(EventLoop* loop, int value) {
  co_await loop->schedule();
  co_return value;
}

TEST_F(SyncWaitTest, ManyThreadsAtOnce) {
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 1'000; ++i) {
        if (sync_wait(through_the_loop(&loop(), t * 1'000 + i)) != t * 1'000 + i) ++wrong;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

// --- sleep_for
// ------------------------------------------------------------------------------------

Task<> sleeps(EventLoop* loop, std::chrono::nanoseconds duration) {
  const auto start = loop->now();
  co_await sleep_for(duration);
  EXPECT_GE(loop->now() - start, duration);
  EXPECT_TRUE(loop->on_loop_thread());
}

TEST_F(SleepForTest, NeverEndsEarlyAndResumesOnTheLoopOfTheAwaiter) {
  for (const auto us : {1, 500, 1'500, 3'700, 10'000}) {
    run(sleeps(&loop(), std::chrono::microseconds(us)));
  }
}

// One of many has to be on time, so that a busy machine does not decide.
Task<bool> ends_on_time(EventLoop* loop) {
  const auto give_up = loop->now() + 30s;
  while (loop->now() < give_up) {
    const auto due = loop->now() + 3'300us;
    co_await sleep_for(3'300us);
    if (loop->now() - due < 2ms) co_return true;
  }
  co_return false;
}

TEST_F(SleepForTest, IsNotLaterThanTheTimersResolution) { EXPECT_TRUE(run(ends_on_time(&loop()))); }

Task<bool> on_shared_loop() {
  co_await sleep_for(1ms);
  co_return Runtime::shared()->on_loop_thread();
}

TEST_F(SleepForTest, UsesTheSharedRuntimeElsewhere) { EXPECT_TRUE(sync_wait(on_shared_loop())); }

Task<> note_after(std::chrono::milliseconds duration, std::vector<int>* order, int name) {
  co_await sleep_for(duration);
  order->push_back(name);
}

Task<> sleeps_side_by_side(EventLoop* loop) {
  std::vector<int> order;
  Scope scope(*loop, unexpected);
  scope.spawn(note_after(210ms, &order, 3));
  scope.spawn(note_after(10ms, &order, 1));
  scope.spawn(note_after(110ms, &order, 2));
  scope.spawn(note_after(0ms, &order, 0));
  scope.spawn(note_after(-5ms, &order, 0));
  co_await scope.join();
  const std::vector<int> expected{0, 0, 1, 2, 3};
  EXPECT_EQ(order, expected);
}

TEST_F(SleepForTest, SleepersGoOnInOrder) { run(sleeps_side_by_side(&loop())); }

Task<> sleep_and_note(std::atomic<int>* asleep, std::atomic<int>* told) {
  ++*asleep;
  try {
    co_await sleep_for(std::chrono::nanoseconds::max());
  } catch (const ShutdownError&) {
    ++*told;
    throw;
  }
}

TEST_F(SleepForTest, EndsWithShutdownErrorWhenTheRuntimeEnds) {
  std::atomic<int> asleep{0};
  std::atomic<int> told{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back(
        [&, task = runtime::on_loop(loop(), sleep_and_note(&asleep, &told))]() mutable {
          EXPECT_THROW(sync_wait(std::move(task)), ShutdownError);
        });
  }
  EXPECT_TRUE(wait_for(30s, [&] { return asleep == 3; }));
  runtime_.reset();
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(told, 3);
}

Task<> sleep_again_while_ending(std::atomic<int>* asleep, std::atomic<int>* refused) {
  ++*asleep;
  for (int i = 0; i < 3; ++i) {
    try {
      co_await sleep_for(1h);
    } catch (const ShutdownError&) {
      ++*refused;
    }
  }
}

TEST_F(SleepForTest, ASleepBegunWhileTheRuntimeEndsIsRefused) {
  std::atomic<int> asleep{0};
  std::atomic<int> refused{0};
  std::thread thread(
      [&, task = runtime::on_loop(loop(), sleep_again_while_ending(&asleep, &refused))]() mutable {
        sync_wait(std::move(task));
      });
  EXPECT_TRUE(wait_for(30s, [&] { return asleep == 1; }));
  runtime_.reset();
  thread.join();
  EXPECT_EQ(refused, 3);
}

// --- run_blocking
// ---------------------------------------------------------------------------------

Task<std::string> blocking_results(EventLoop* loop) {
  const auto here = std::this_thread::get_id();
  bool elsewhere = false;
  bool* const result = &elsewhere;
  auto nothing = run_blocking([result, here] { *result = std::this_thread::get_id() != here; });
  co_await std::move(nothing);
  EXPECT_TRUE(elsewhere);
  EXPECT_TRUE(loop->on_loop_thread());

  auto owner = run_blocking([] { return std::make_unique<int>(7); });
  const std::unique_ptr<int> seven = co_await std::move(owner);
  EXPECT_EQ(*seven, 7);

  auto text = run_blocking(
      [word = std::string("some text that is long enough to be allocated")] { return word + "!"; });
  co_return co_await std::move(text);
}

TEST_F(RunBlockingTest, GivesResultsAndResumesOnTheLoopOfTheAwaiter) {
  EXPECT_EQ(run(blocking_results(&loop())), "some text that is long enough to be allocated!");
}

TEST_F(RunBlockingTest, UsesTheSharedRuntimeElsewhere) {
  EXPECT_EQ(sync_wait(run_blocking([] { return 3; })), 3);
}

TEST_F(RunBlockingTest, TakesMoveOnlyFunctionsAndCallsThemAsRvalues) {
  struct OnceOnly {
    std::unique_ptr<int> held;
    std::unique_ptr<int> operator()() && { return std::move(held); }
  };
  EXPECT_EQ(*run(run_blocking(OnceOnly{std::make_unique<int>(4)})), 4);
}

TEST_F(RunBlockingTest, RethrowsTheException) {
  EXPECT_THROW(run(run_blocking([] { throw std::out_of_range("far"); })), std::out_of_range);
  EXPECT_THROW(run(run_blocking([]() -> std::string { throw 5; })), int);
}

TEST_F(RunBlockingTest, AFunctionThatCannotBeCopiedOrMovedThrowsAtTheCall) {
  struct Throws {
    Throws() = default;
    Throws(const Throws&) { throw std::runtime_error("copy"); }
    void operator()() const {}
  };
  const Throws function;
  EXPECT_THROW(static_cast<void>(run_blocking(function)), std::runtime_error);

  struct ThrowsLater {
    int moves_left;
    explicit ThrowsLater(int moves) : moves_left(moves) {}
    ThrowsLater(ThrowsLater&& other) : moves_left(other.moves_left - 1) {
      if (moves_left < 0) throw std::runtime_error("move");
    }
    void operator()() const {}
  };
  EXPECT_THROW(static_cast<void>(run_blocking(ThrowsLater(0))), std::runtime_error);
}

TEST_F(RunBlockingTest, NeverAwaitedNeverRuns) {
  std::atomic<int> ran{0};
  {
    auto task = run_blocking([&] { ++ran; });
  }
  run(run_blocking([] {}));
  EXPECT_EQ(ran, 0);
}

Task<> count_blocking(std::atomic<int>* ran, int times) {
  for (int i = 0; i < times; ++i) {
    auto call = run_blocking([ran] { ++*ran; });
    co_await std::move(call);
  }
}

Task<> blocking_side_by_side(EventLoop* loop, std::atomic<int>* ran) {
  Scope scope(*loop, unexpected);
  for (int i = 0; i < 20; ++i) scope.spawn(count_blocking(ran, 50));
  co_await scope.join();
}

TEST_F(RunBlockingTest, ManySideBySide) {
  std::atomic<int> ran{0};
  run(blocking_side_by_side(&loop(), &ran));
  EXPECT_EQ(ran, 1'000);
}

TEST_F(RunBlockingTest, EndsWithShutdownErrorWhenTheRuntimeEndsFirst) {
  RuntimeOptions options;
  options.blocking_threads = 1;
  options.shutdown_timeout = 20ms;
  runtime_ = std::make_unique<Runtime>(options);
  struct Shared {
    Gate running, release;
  };
  const auto shared = std::make_shared<Shared>();
  Task<> hangs = runtime::on_loop(loop(), run_blocking([shared] {
                                    shared->running.open();
                                    shared->release.wait();
                                  }));
  Task<> waits = runtime::on_loop(loop(), run_blocking([shared] {}));
  std::thread first([&] { EXPECT_THROW(sync_wait(std::move(hangs)), ShutdownError); });
  ASSERT_TRUE(shared->running.wait());
  std::thread second([&] { EXPECT_THROW(sync_wait(std::move(waits)), ShutdownError); });
  EXPECT_TRUE(wait_for(30s, [&] { return runtime_->blocking_pool().waiting() == 1; }));
  runtime_.reset();
  first.join();
  second.join();
  shared->release.open();
  EXPECT_TRUE(wait_for(30s, [&] { return shared.use_count() == 1; }));
}

}  // namespace
}  // namespace mx_rmq::test
