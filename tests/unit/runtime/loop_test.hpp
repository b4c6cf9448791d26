#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "mx_rmq/runtime.hpp"
#include "mx_rmq/sync_wait.hpp"
#include "mx_rmq/task.hpp"

#include "runtime/event_loop.hpp"
#include "runtime/frames.hpp"
#include "runtime/on_loop.hpp"

namespace mx_rmq::test {

using namespace std::chrono_literals;

/// A gate for plain threads.
class Gate {
 public:
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  bool wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 30s, [this] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

/// A Runtime of the test's own. Afterwards no coroutine frame may be left, and no exception may
/// have reached the loop that the test did not take.
class LoopTest : public testing::Test {
 protected:
  LoopTest() : frames_before_(runtime::live_frames()), runtime_(std::make_unique<Runtime>()) {
    loop().set_error_handler([this](std::exception_ptr error) {
      const std::lock_guard lock(mutex_);
      errors_.push_back(text_of(error));
    });
  }

  void TearDown() override {
    runtime_.reset();
    EXPECT_EQ(take_errors(), std::vector<std::string>{});
    EXPECT_EQ(runtime::live_frames(), frames_before_);
  }

  runtime::EventLoop& loop() { return runtime_->event_loop(); }

  /// Awaits a task on the loop thread.
  template <class T>
  T run(Task<T> task) {
    return sync_wait(runtime::on_loop(loop(), std::move(task)));
  }

  /// Calls a plain function on the loop thread.
  template <class F>
  auto call(F function) {
    return sync_wait(call_on(loop(), std::move(function)));
  }

  std::vector<std::string> take_errors() {
    const std::lock_guard lock(mutex_);
    return std::exchange(errors_, {});
  }

  static std::string text_of(std::exception_ptr error) {
    try {
      std::rethrow_exception(error);
    } catch (const std::exception& e) {
      return e.what();
    } catch (...) {
      return "unknown";
    }
  }

  const std::int64_t frames_before_;
  std::unique_ptr<Runtime> runtime_;

 private:
  template <class F>
  static Task<std::invoke_result_t<F>> call_on(runtime::EventLoop& loop, F function) {
    co_await loop.schedule();
    co_return function();
  }

  std::mutex mutex_;
  std::vector<std::string> errors_;
};

}  // namespace mx_rmq::test
