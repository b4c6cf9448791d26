// A Runtime as a guest on a libuv loop that the program runs.
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <thread>

#include <gtest/gtest.h>
#include <uv.h>

#include "mx_rmq/async.hpp"
#include "mx_rmq/errors.hpp"
#include "mx_rmq/libuv.hpp"
#include "mx_rmq/sync_wait.hpp"

#include "runtime/frames.hpp"
#include "runtime/runtime_access.hpp"

#include "loop_test.hpp"

namespace mx_rmq::test {
namespace {

/// A program's loop, and what a program does with it.
class HostLoop : public testing::Test {
 protected:
  HostLoop() : frames_before_(runtime::live_frames()) {
    EXPECT_EQ(::uv_loop_init(&loop_), 0);
    runtime_ = Runtime::on(&loop_);
  }

  void TearDown() override {
    runtime_.reset();
    run();
    EXPECT_EQ(::uv_loop_close(&loop_), 0) << "something is left on the loop";
    EXPECT_EQ(runtime::live_frames(), frames_before_);
  }

  int run() { return ::uv_run(&loop_, UV_RUN_DEFAULT); }

  /// A handle of the program's own, which is gone when this returns.
  template <class Handle>
  void close(Handle& handle) {
    ::uv_close(reinterpret_cast<uv_handle_t*>(&handle), nullptr);
    ::uv_run(&loop_, UV_RUN_NOWAIT);
  }

  /// Starts the task; the loop is stopped when it has ended, which run_to_end() waits for.
  void begin(Task<> task) {
    spawn(std::move(task), [this](std::exception_ptr error) {
      error_ = error;
      ended_ = true;
      ::uv_stop(&loop_);
    });
  }
  void run_to_end() {
    while (!ended_) run();
    if (error_) std::rethrow_exception(error_);
  }

  const std::int64_t frames_before_;
  uv_loop_t loop_{};
  std::shared_ptr<Runtime> runtime_;
  std::exception_ptr error_;
  bool ended_ = false;
};

Task<> sleep_and_note(std::shared_ptr<Runtime> runtime, std::thread::id* where) {
  co_await sleep_for(5ms);
  EXPECT_TRUE(runtime->on_loop_thread());
  *where = std::this_thread::get_id();
}

TEST_F(HostLoop, TasksAndTimersRunOnTheThreadThatRunsTheLoop) {
  std::thread::id where;
  begin(sleep_and_note(runtime_, &where));
  run_to_end();
  EXPECT_EQ(where, std::this_thread::get_id());
}

TEST_F(HostLoop, TheProgramsOwnTimersGoOnBesideIt) {
  struct Ticks {
    uv_timer_t timer{};
    int count = 0;
  } ticks;
  ::uv_timer_init(&loop_, &ticks.timer);
  ticks.timer.data = &ticks;
  ::uv_timer_start(
      &ticks.timer, [](uv_timer_t* timer) { ++static_cast<Ticks*>(timer->data)->count; }, 1, 1);
  begin(sleep_for(50ms));
  run_to_end();
  EXPECT_GT(ticks.count, 5);
  close(ticks.timer);
}

Task<int> add_on_a_thread(int a, int b) {
  auto call = run_blocking([a, b] { return a + b; });
  co_return co_await std::move(call);
}

Task<> add_and_store(int* sum) { *sum = co_await add_on_a_thread(3, 4); }

TEST_F(HostLoop, BlockingCallsHaveThreadsAndComeBack) {
  int sum = 0;
  begin(add_and_store(&sum));
  run_to_end();
  EXPECT_EQ(sum, 7);
}

TEST_F(HostLoop, OtherThreadsMayWaitForWhatRunsThere) {
  std::atomic<int> sum{0};
  std::thread other([&] {
    runtime::EventLoop& loop = runtime_->event_loop();
    sum = sync_wait(runtime::on_loop(loop, add_on_a_thread(1, 2)));
    loop.post([this] { ::uv_stop(&loop_); });
  });
  run();
  other.join();
  EXPECT_EQ(sum, 3);
}

TEST_F(HostLoop, WaitingOnItsThreadIsRefusedAlsoBeforeItRuns) {
  EXPECT_THROW(sync_wait(sleep_for(1ms)), std::logic_error);
}

// libuv calls the prepare handle that was started last first, so the program's comes after ours,
// and what it begins must not wait for input.
TEST_F(HostLoop, WhatTheProgramBeginsRightBeforeTheLoopWaitsIsNotHeldUp) {
  struct Prepare {
    uv_prepare_t handle{};
    std::function<void()> call;
  } prepare;
  const auto run_in_prepare = [&](std::function<void()> call) {
    prepare.call = std::move(call);
    run_to_end();
    ended_ = false;
  };
  // Started before the one of a second Runtime, whose prepare handle thus comes first.
  runtime_.reset();
  run();
  ::uv_prepare_init(&loop_, &prepare.handle);
  prepare.handle.data = &prepare;
  ::uv_prepare_start(&prepare.handle, [](uv_prepare_t* handle) {
    if (const auto call = std::exchange(static_cast<Prepare*>(handle->data)->call, {})) call();
  });
  runtime_ = Runtime::on(&loop_);
  const auto began = std::chrono::steady_clock::now();
  run_in_prepare([this] { begin(sleep_for(0ms)); });
  run_in_prepare([this] { begin(sleep_for(1ms)); });
  run_in_prepare([this] {
    runtime_->event_loop().post([this] {
      ended_ = true;
      ::uv_stop(&loop_);
    });
  });
  EXPECT_LT(std::chrono::steady_clock::now() - began, 20s);
  close(prepare.handle);
}

TEST_F(HostLoop, EndsInsideACallbackAndLetsTheLoopReturn) {
  runtime_->event_loop().post([this] { runtime_.reset(); });
  EXPECT_EQ(run(), 0);
  EXPECT_EQ(runtime_, nullptr);
}

TEST_F(HostLoop, EndsFromAnotherThread) {
  std::thread other([this] { runtime_.reset(); });
  EXPECT_EQ(run(), 0);
  other.join();
}

TEST_F(HostLoop, WhatStillWaitsAtItsEndGetsShutdownError) {
  begin(sleep_for(1h));
  runtime_->event_loop().post([this] { runtime_.reset(); });
  EXPECT_THROW(run_to_end(), ShutdownError);
}

TEST_F(HostLoop, ABlockingCallHasItsTimeAtTheEndAndTheLoopIsNotHeldUpByIt) {
  std::atomic<bool> returned{false};
  // The Runtime ends while the call runs.
  const std::function<void()> slow = [this, &returned] {
    runtime_->event_loop().post([this] {
      runtime_.reset();
      EXPECT_FALSE(ended_);
    });
    std::this_thread::sleep_for(50ms);
    returned = true;
  };
  begin([](const std::function<void()>* work) -> Task<> {
    auto call = run_blocking([work] { (*work)(); });
    co_await std::move(call);
  }(&slow));
  run_to_end();
  EXPECT_TRUE(returned);
}

TEST_F(HostLoop, TheLoopMayBeRunInTurns) {
  begin(sleep_for(20ms));
  while (!ended_) {
    ::uv_run(&loop_, UV_RUN_NOWAIT);
    std::this_thread::yield();
  }
}

TEST_F(HostLoop, IsOneAThread) {
  uv_loop_t another{};
  ASSERT_EQ(::uv_loop_init(&another), 0);
  EXPECT_THROW(Runtime::on(&another), std::logic_error);
  EXPECT_EQ(::uv_loop_close(&another), 0) << "a Runtime that was refused left something";
}

TEST(HostLoopArguments, AreChecked) {
  uv_loop_t* none = nullptr;
  EXPECT_THROW(Runtime::on(none), std::invalid_argument);
  uv_loop_t loop{};
  ASSERT_EQ(::uv_loop_init(&loop), 0);
  RuntimeOptions options;
  options.blocking_threads = 0;
  EXPECT_THROW(Runtime::on(&loop, options), std::invalid_argument);
  EXPECT_EQ(::uv_loop_close(&loop), 0);
}

TEST(HostLoopDeathTest, ALoopThatAnotherThreadRunsEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        uv_loop_t loop{};
        ::uv_loop_init(&loop);
        const auto runtime = Runtime::on(&loop);
        std::thread([&loop] { ::uv_run(&loop, UV_RUN_NOWAIT); }).join();
      },
      "is run by another thread than gave it");
}

TEST(HostLoops, AThousandRuntimesComeAndGoOnOneLoop) {
  uv_loop_t loop{};
  ASSERT_EQ(::uv_loop_init(&loop), 0);
  for (int i = 0; i < 1'000; ++i) {
    Runtime::on(&loop).reset();
    ::uv_run(&loop, UV_RUN_DEFAULT);
  }
  EXPECT_EQ(::uv_loop_close(&loop), 0);
}

}  // namespace
}  // namespace mx_rmq::test
