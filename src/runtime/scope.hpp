#pragma once

#include <cstddef>
#include <exception>
#include <functional>
#include <memory>

#include "mx_rmq/task.hpp"

#include "runtime/event_loop.hpp"

namespace mx_rmq::runtime {

/// Tasks that run beside their owner, who waits for all of them in the end. Loop thread only.
///
/// A task's exception goes to the error handler; an exception of the handler goes to the loop's
/// report(). When a task has ended, on whatever thread that was, its frame is destroyed first, with
/// all that it held, and the scope told after, on the loop thread.
///
/// The owner must `co_await join()` before it destroys the scope. A scope destroyed with tasks
/// still in it is reported as an error; the tasks then end by themselves, so what they refer to
/// must outlive them.
class Scope {
 public:
  using ErrorHandler = std::function<void(std::exception_ptr)>;

  /// Errors of its tasks go to the loop's report().
  explicit Scope(EventLoop& loop);
  Scope(EventLoop& loop, ErrorHandler on_error);
  ~Scope();
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

  /// Starts a task, from the ready list. Throws ShutdownError after close().
  void spawn(Task<> task);

  /// No more spawn().
  void close() noexcept;

  /// Completes when no task is left, those counted that were spawned while it waited. Any number
  /// may join, again and again. Goes on waiting while the loop shuts down.
  Task<> join();

  std::size_t size() const noexcept;

 private:
  struct State;
  class Runner;

  static Runner run(std::shared_ptr<State> state, Task<> task);
  static Task<> wait_until_empty(std::shared_ptr<State> state);

  std::shared_ptr<State> state_;  // the tasks hold it too
};

}  // namespace mx_rmq::runtime
