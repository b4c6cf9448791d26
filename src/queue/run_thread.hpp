#pragma once

#include <condition_variable>
#include <coroutine>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>

#include "mx_rmq/task.hpp"

namespace mx_rmq::queue {

/// The thread of a handler that blocks, while what runs around it may be elsewhere: it waits, and
/// is come back to. Lives on that thread's stack.
class RunThread {
 public:
  RunThread();
  RunThread(const RunThread&) = delete;
  RunThread& operator=(const RunThread&) = delete;

  /// Runs the task, from this thread on, to its end; rethrows what it threw. Called once.
  void drive(Task<> task);
  /// For the task: goes over to this thread, and has `work` run there.
  Task<> run(std::function<void()> work);

 private:
  class State;
  class GoingOver;

  static Task<> run_there(std::shared_ptr<State> state, std::function<void()> work);

  std::shared_ptr<State> state_;
};

}  // namespace mx_rmq::queue
