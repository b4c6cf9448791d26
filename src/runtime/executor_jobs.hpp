#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>

#include "runtime/blocking_pool.hpp"
#include "runtime/event_loop.hpp"

namespace mx_rmq::runtime {

/// Jobs on an executor of the program's own, as BlockingPool has them on threads of the library: a
/// job is handed to the executor, and the loop is told how it ended. Loop thread only; the jobs run
/// wherever the executor likes.
class ExecutorJobs {
 public:
  using Job = std::function<void()>;
  using Done = std::function<void(JobEnd)>;
  using Executor = std::function<void(std::function<void()>)>;

  ExecutorJobs(EventLoop& loop, Executor executor);

  /// `done` is called on the loop thread, exactly once: `completed` when the job has run,
  /// `cancelled` if the executor dropped it or the loop shuts down before it began, `abandoned` if
  /// it runs then. A job must own what it uses. Throws what the executor throws, and ShutdownError;
  /// `done` is not called then.
  JobId submit(Job job, Done done);
  /// True if the job had not begun: it never will, and `done` is told `withdrawn`.
  bool withdraw(JobId id);

 private:
  class Core;
  class Ticket;

  const Executor executor_;
  const std::shared_ptr<Core> core_;
};

}  // namespace mx_rmq::runtime
