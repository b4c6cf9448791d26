#pragma once

#include <exception>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "mx_rmq/task.hpp"

#include "runtime/event_loop.hpp"

namespace mx_rmq::runtime {

/// Awaits `task` on the loop's thread, from any thread; the awaiter goes on on the loop thread,
/// wherever the task ends.
/// Throws ShutdownError, on the thread it was awaited on, if the loop takes no more work; the task
/// then never starts. The loop must outlive it.
template <class T>
Task<T> on_loop(EventLoop& loop, Task<T> task) {
  co_await loop.schedule();
  std::exception_ptr error;
  [[maybe_unused]] std::optional<std::conditional_t<std::is_void_v<T>, std::monostate, T>> result;
  try {
    if constexpr (std::is_void_v<T>) {
      co_await std::move(task);
    } else {
      result.emplace(co_await std::move(task));
    }
  } catch (...) {
    error = std::current_exception();
  }
  co_await loop.back();
  if (error) std::rethrow_exception(error);
  if constexpr (!std::is_void_v<T>) co_return std::move(*result);
}

/// The same for a function that makes the task: it is called on the loop thread too.
template <class F>
auto run_on(EventLoop& loop, F make_task) -> decltype(make_task()) {
  co_await loop.schedule();
  auto task = on_loop(loop, make_task());
  co_return co_await std::move(task);
}

}  // namespace mx_rmq::runtime
