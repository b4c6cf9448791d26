#pragma once

#include <utility>

#include "mx_rmq/task.hpp"

#include "runtime/event_loop.hpp"

namespace mx_rmq::runtime {

/// Awaits `task` on the loop's thread, from any thread; the awaiter goes on on the loop thread.
/// Throws ShutdownError, on the thread it was awaited on, if the loop takes no more work; the task
/// then never starts. The loop must outlive it.
template <class T>
Task<T> on_loop(EventLoop& loop, Task<T> task) {
  co_await loop.schedule();
  co_return co_await std::move(task);
}

/// The same for a function that makes the task: it is called on the loop thread too.
template <class F>
auto run_on(EventLoop& loop, F make_task) -> decltype(make_task()) {
  co_await loop.schedule();
  auto task = make_task();
  co_return co_await std::move(task);
}

}  // namespace mx_rmq::runtime
