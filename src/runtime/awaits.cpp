// The public functions that wait: sync_wait, sleep_for, run_blocking.

#include <coroutine>
#include <stdexcept>

#include "mx_rmq/errors.hpp"
#include "mx_rmq/runtime.hpp"
#include "mx_rmq/sync_wait.hpp"

#include "runtime/blocking_pool.hpp"
#include "runtime/event_loop.hpp"
#include "runtime/one_shot.hpp"

namespace mx_rmq {

namespace {

using runtime::EventLoop;

// The loop of the calling coroutine, else the shared one. The shared Runtime is not held: what
// waits on it must not keep it from ending with the process.
EventLoop& loop_to_wait_on() {
  EventLoop* const current = EventLoop::current();
  return current != nullptr ? *current : Runtime::shared()->event_loop();
}

/// One sleep; lives in its coroutine's frame.
class Sleep final : public runtime::ShutdownListener {
 public:
  Sleep(EventLoop& loop, runtime::TimePoint due) noexcept : loop_(loop), due_(due) {}

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> coroutine) {
    coroutine_ = coroutine;
    loop_.call_at(due_, [this] {  // or throws
      loop_.remove_listener(*this);
      loop_.defer(coroutine_);
    });
    loop_.add_listener(*this);
  }
  void await_resume() const {
    if (shut_down_) throw ShutdownError("mx_rmq: the Runtime ended during sleep_for");
  }

 private:
  void on_shutdown() noexcept override {
    shut_down_ = true;
    loop_.defer(coroutine_);
  }

  EventLoop& loop_;
  const runtime::TimePoint due_;
  std::coroutine_handle<> coroutine_;
  bool shut_down_ = false;
};

runtime::TimePoint due_in(EventLoop& loop, std::chrono::nanoseconds duration) {
  const auto now = loop.now();
  return duration < runtime::TimePoint::max() - now ? now + duration : runtime::TimePoint::max();
}

}  // namespace

Task<> sleep_for(std::chrono::nanoseconds duration) {
  EventLoop& loop = loop_to_wait_on();
  const auto due = due_in(loop, duration);
  co_await loop.schedule();
  if (duration <= std::chrono::nanoseconds::zero()) {
    co_await loop.yield();
  } else {
    co_await Sleep(loop, due);
  }
}

namespace detail {

BlockingCall::~BlockingCall() = default;

Task<> run_blocking_call(std::shared_ptr<BlockingCall> call) {
  EventLoop& loop = loop_to_wait_on();
  co_await loop.schedule();
  runtime::OneShot<runtime::JobEnd> ended(loop);
  runtime::OneShot<runtime::JobEnd>* const result = &ended;
  loop.blocking_pool()->submit([call] { call->run(); },
                               [result](runtime::JobEnd end) { result->complete(end); });
  const runtime::JobEnd end = co_await ended.wait();
  if (end == runtime::JobEnd::cancelled) {
    throw ShutdownError("mx_rmq: the Runtime ended before run_blocking had a thread");
  }
  if (end == runtime::JobEnd::abandoned) {
    throw ShutdownError("mx_rmq: the Runtime ended and the function of run_blocking still runs");
  }
}

SyncWaitLatch::SyncWaitLatch() {
  if (EventLoop::current() != nullptr) {
    throw std::logic_error(
        "mx_rmq: sync_wait on a loop thread would wait for itself; use co_await there");
  }
}

void SyncWaitLatch::open() noexcept {
  const std::lock_guard lock(mutex_);
  open_ = true;
  opened_.notify_one();  // under the lock: the waiter may free the latch as soon as it can go on
}

void SyncWaitLatch::wait() noexcept {
  std::unique_lock lock(mutex_);
  opened_.wait(lock, [this] { return open_; });
}

}  // namespace detail
}  // namespace mx_rmq
