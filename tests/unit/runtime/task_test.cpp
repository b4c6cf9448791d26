#include "mx_rmq/task.hpp"

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "mx_rmq/sync_wait.hpp"

#include "runtime/frames.hpp"

namespace mx_rmq {
namespace {

struct NoDefault {
  explicit NoDefault(int v) : value(v) {}
  NoDefault(NoDefault&&) = default;
  NoDefault& operator=(NoDefault&&) = delete;
  int value;
};

// Not inlined where a test counts frames: clang then puts the frame into the caller's.
[[gnu::noinline]] Task<int> number(int value) { co_return value; }
Task<std::unique_ptr<int>> pointer(int value) { co_return std::make_unique<int>(value); }
Task<NoDefault> no_default(int value) { co_return NoDefault(value); }
Task<int> fails(std::string why) {
  throw std::runtime_error(why);
  co_return 0;
}
Task<> fails_without_result(std::string why) {
  throw std::runtime_error(why);
  co_return;
}

Task<int> sum(int a, int b) {
  const int x = co_await number(a);
  const int y = co_await number(b);
  co_return x + y;
}

[[gnu::noinline]] Task<int> count_started(int* started) {
  ++*started;
  co_return *started;
}

class TaskTest : public testing::Test {
 protected:
  void TearDown() override { EXPECT_EQ(runtime::live_frames(), before_); }
  const std::int64_t before_ = runtime::live_frames();
};

TEST_F(TaskTest, GivesItsResult) { EXPECT_EQ(sync_wait(sum(2, 3)), 5); }

TEST_F(TaskTest, GivesMoveOnlyResults) { EXPECT_EQ(*sync_wait(pointer(7)), 7); }

TEST_F(TaskTest, GivesResultsWithoutDefaultConstructor) {
  EXPECT_EQ(sync_wait(no_default(9)).value, 9);
}

TEST_F(TaskTest, RethrowsTheExceptionThatEndedIt) {
  EXPECT_THROW(
      {
        try {
          sync_wait(fails("broken"));
        } catch (const std::runtime_error& error) {
          EXPECT_STREQ(error.what(), "broken");
          throw;
        }
      },
      std::runtime_error);
  EXPECT_THROW(sync_wait(fails_without_result("broken")), std::runtime_error);
}

Task<std::string> catches() {
  std::string caught;
  try {
    co_await fails("inner");
  } catch (const std::runtime_error& error) {
    caught = error.what();
  }
  co_return caught;
}

TEST_F(TaskTest, AnAwaiterCanCatchTheException) { EXPECT_EQ(sync_wait(catches()), "inner"); }

TEST_F(TaskTest, IsLazyAndRunsOnce) {
  int started = 0;
  Task<int> task = count_started(&started);
  EXPECT_EQ(started, 0);
  EXPECT_EQ(sync_wait(std::move(task)), 1);
  EXPECT_EQ(started, 1);
}

TEST_F(TaskTest, DestroyedUnawaitedOnlyFreesItsFrame) {
  int started = 0;
  {
    const Task<int> task = count_started(&started);
    EXPECT_EQ(runtime::live_frames(), before_ + 1);
  }
  EXPECT_EQ(started, 0);
  EXPECT_EQ(runtime::live_frames(), before_);
}

TEST_F(TaskTest, MoveAssignmentFreesTheOldFrame) {
  Task<int> task = number(1);
  task = number(2);
  EXPECT_EQ(runtime::live_frames(), before_ + 1);
  EXPECT_EQ(sync_wait(std::move(task)), 2);
}

Task<> awaits_twice() {
  Task<int> task = number(1);
  co_await std::move(task);
  EXPECT_FALSE(task);
  co_await std::move(task);
}

TEST_F(TaskTest, AwaitedTwiceThrowsInsteadOfRunningAFinishedFrame) {
  EXPECT_THROW(sync_wait(awaits_twice()), std::logic_error);
}

Task<> count_frames() {
  const std::int64_t before = runtime::live_frames();
  Task<int> task = number(1);
  EXPECT_EQ(runtime::live_frames(), before + 1);
  co_await std::move(task);
  EXPECT_EQ(runtime::live_frames(), before);
}

TEST_F(TaskTest, FrameIsFreedWhenTheAwaitEndsNotWhenTheNameGoesOutOfScope) {
  sync_wait(count_frames());
}

struct CountsAlive {
  explicit CountsAlive(int* counter) : alive(counter) { ++*alive; }
  CountsAlive(CountsAlive&& other) noexcept : alive(other.alive) { ++*alive; }
  CountsAlive(const CountsAlive& other) : alive(other.alive) { ++*alive; }
  ~CountsAlive() { --*alive; }
  int* alive;
};

Task<CountsAlive> passes_on(CountsAlive value) { co_return value; }

TEST_F(TaskTest, ParametersAndResultsAreDestroyedOnce) {
  int alive = 0;
  {
    const CountsAlive result = sync_wait(passes_on(CountsAlive(&alive)));
    EXPECT_EQ(alive, 1);
  }
  EXPECT_EQ(alive, 0);
}

// --- the stack
// ------------------------------------------------------------------------------------

struct StackRange {
  const char* low = nullptr;
  const char* high = nullptr;
  [[gnu::noinline]] void sample() {
    const char* here = static_cast<const char*>(__builtin_frame_address(0));
    if (low == nullptr || here < low) low = here;
    if (high == nullptr || here > high) high = here;
  }
  long extent() const { return static_cast<long>(high - low); }
};

Task<long> sampled(StackRange* range, long value) {
  range->sample();
  co_return value;
}

Task<long> many_at_once_complete(StackRange* range, long count) {
  long total = 0;
  for (long i = 0; i < count; ++i) {
    const long value = co_await sampled(range, 1);
    total += value;
  }
  co_return total;
}

TEST_F(TaskTest, AMillionSynchronousCompletionsLeaveTheStackWhereItWas) {
  StackRange range;
  EXPECT_EQ(sync_wait(many_at_once_complete(&range, 1'000'000)), 1'000'000);
  EXPECT_LT(range.extent(), 4096);
}

Task<long> many_that_throw(long count) {
  long caught = 0;
  for (long i = 0; i < count; ++i) {
    try {
      co_await fails("again");
    } catch (const std::runtime_error&) {
      ++caught;
    }
  }
  co_return caught;
}

TEST_F(TaskTest, ExceptionsDoNotGrowTheStackEither) {
  EXPECT_EQ(sync_wait(many_that_throw(20'000)), 20'000);
}

// --- threads
// --------------------------------------------------------------------------------------

/// Resumes its awaiter from another thread, at once, so that completion races with suspension.
class Relay {
 public:
  Relay() : thread_([this] { serve(); }) {}
  ~Relay() {
    stop_.store(true);
    thread_.join();
  }

  bool await_ready() const noexcept { return false; }
  [[gnu::noinline]] void await_suspend(std::coroutine_handle<> coroutine) noexcept {
    next_.store(coroutine.address(), std::memory_order_release);
  }
  void await_resume() const noexcept {}

 private:
  void serve() {
    while (!stop_.load()) {
      if (void* address = next_.exchange(nullptr, std::memory_order_acquire)) {
        std::coroutine_handle<>::from_address(address).resume();
      }
    }
  }

  std::atomic<void*> next_{nullptr};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

Task<int> hop(Relay* relay, int value) {
  co_await *relay;
  co_return value;
}

Task<long> hop_between(Relay* a, Relay* b, int count) {
  long total = 0;
  for (int i = 0; i < count; ++i) {
    const int x = co_await hop(a, 1);
    const int y = co_await hop(b, 2);
    total += x + y;
  }
  co_return total;
}

TEST_F(TaskTest, CompletesOnAnotherThreadWhileItsAwaiterIsStillSuspending) {
  Relay a;
  Relay b;
  EXPECT_EQ(sync_wait(hop_between(&a, &b, 20'000)), 60'000);
}

TEST_F(TaskTest, ManyShortCrossThreadWaits) {
  Relay relay;
  for (int i = 0; i < 5'000; ++i) ASSERT_EQ(sync_wait(hop(&relay, i)), i);
}

// Frames change threads, and a thread's free list ends with it.
TEST_F(TaskTest, FramesMadeOnOneThreadAreFreedOnAnother) {
  for (int round = 0; round < 20; ++round) {
    std::vector<Task<int>> tasks;
    std::thread([&] {
      for (int i = 0; i < 500; ++i) tasks.push_back(sum(i, i));
    }).join();
    std::thread([tasks = std::move(tasks)]() mutable {
      for (int i = 0; i < 250; ++i) {
        EXPECT_EQ(sync_wait(std::move(tasks[static_cast<std::size_t>(i)])), 2 * i);
      }
      tasks.clear();
    }).join();
    EXPECT_EQ(runtime::live_frames(), before_);
  }
}

}  // namespace
}  // namespace mx_rmq
