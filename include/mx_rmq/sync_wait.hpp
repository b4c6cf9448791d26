#pragma once

#include <condition_variable>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>

#include "mx_rmq/task.hpp"

namespace mx_rmq {

namespace detail {

/// Blocks one thread until another one opens it. Lives on the waiting thread's stack.
class SyncWaitLatch {
 public:
  /// Throws std::logic_error on a loop thread, which would wait for itself.
  SyncWaitLatch();
  SyncWaitLatch(const SyncWaitLatch&) = delete;
  SyncWaitLatch& operator=(const SyncWaitLatch&) = delete;

  /// Any thread, once. The latch may be destroyed before this has returned.
  void open() noexcept;
  void wait() noexcept;

 private:
  std::mutex mutex_;
  std::condition_variable opened_;
  bool open_ = false;
};

/// The coroutine that awaits a task on behalf of a blocked thread. Its frame stays suspended at the
/// end until that thread destroys it.
class SyncWaitDriver {
 public:
  class promise_type {
   public:
    static void* operator new(std::size_t bytes) { return allocate_frame(bytes); }
    static void operator delete(void* frame, std::size_t bytes) noexcept {
      free_frame(frame, bytes);
    }

    struct FinalAwaiter {
      bool await_ready() const noexcept { return false; }
      [[gnu::noinline]] void await_suspend(
          std::coroutine_handle<promise_type> self) const noexcept {
        self.promise().latch_->open();  // nothing of the frame may be touched from here on
      }
      void await_resume() const noexcept {}
    };

    SyncWaitDriver get_return_object() noexcept { return SyncWaitDriver(*this); }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    FinalAwaiter final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() noexcept { error_ = std::current_exception(); }

   private:
    friend SyncWaitDriver;
    SyncWaitLatch* latch_ = nullptr;
    std::exception_ptr error_;
  };

  SyncWaitDriver(SyncWaitDriver&&) = delete;
  ~SyncWaitDriver() { handle_.destroy(); }

  /// Runs to the end; rethrows what the task threw.
  void run(SyncWaitLatch& latch) {
    handle_.promise().latch_ = &latch;
    handle_.resume();
    latch.wait();
    if (handle_.promise().error_) std::rethrow_exception(std::move(handle_.promise().error_));
  }

 private:
  explicit SyncWaitDriver(promise_type& promise) noexcept
      : handle_(std::coroutine_handle<promise_type>::from_promise(promise)) {}

  std::coroutine_handle<promise_type> handle_;
};

inline SyncWaitDriver drive_sync_wait(Task<void> task) { co_await std::move(task); }

template <class T>
SyncWaitDriver drive_sync_wait(Task<T> task, std::optional<T>* result) {
  result->emplace(co_await std::move(task));
}

}  // namespace detail

/// Runs a task, blocks the calling thread until it has ended, and gives its result or rethrows its
/// exception. The task starts on the calling thread and goes on wherever its awaits take it.
///
/// It is for main() and other plain threads, the blocking pool's included. On the loop thread of a
/// Runtime, which would wait for itself, it throws std::logic_error, and the task never runs. It
/// has no deadline of its own; each await of this library has one.
template <class T>
T sync_wait(Task<T> task) {
  detail::SyncWaitLatch latch;
  if constexpr (std::is_void_v<T>) {
    auto driver = detail::drive_sync_wait(std::move(task));
    driver.run(latch);
  } else {
    std::optional<T> result;
    auto driver = detail::drive_sync_wait(std::move(task), &result);
    driver.run(latch);
    return std::move(*result);
  }
}

}  // namespace mx_rmq
