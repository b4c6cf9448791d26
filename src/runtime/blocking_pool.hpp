#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <signal.h>

namespace mx_rmq::runtime {

class EventLoop;

/// How a job of the blocking pool ended for the one who submitted it.
enum class JobEnd {
  completed,  // it ran
  withdrawn,  // withdraw() came before its turn; it never ran
  cancelled,  // the pool shut down before its turn came; it never ran
  abandoned,  // the pool shut down and did not wait any longer; it is still running
};

/// Names a job that was submitted to a pool; the default value names none.
struct JobId {
  std::uint64_t value = 0;
  explicit operator bool() const noexcept { return value != 0; }
};

/// Threads for calls that block. They are started when a job finds no idle one, up to a limit, and
/// then stay. Jobs start first in first out.
class BlockingPool {
 public:
  using Job = std::function<void()>;
  using Done = std::function<void(JobEnd)>;
  /// Jobs of which only so many are run at the same time: the others are kept back, and the thread
  /// that ends one begins the next. Made by make_crew().
  class Crew;

  /// `loop` is told of ended jobs and must outlive shutdown(). The threads get `name` and the
  /// signal mask `signals`.
  BlockingPool(EventLoop& loop, std::size_t max_threads, std::string name, const sigset_t& signals);
  /// Waits for nothing: shutdown() comes first.
  ~BlockingPool();
  BlockingPool(const BlockingPool&) = delete;
  BlockingPool& operator=(const BlockingPool&) = delete;

  /// Any thread. Runs `job` on a blocking thread, destroys it there, then calls `done` on the loop
  /// thread, exactly once. An exception of the job is logged. A job must own what
  /// it uses, because it may be abandoned. Throws ShutdownError after shutdown() began and
  /// std::system_error if there is no thread and none can be started.
  JobId submit(Job job, Done done = {}, std::shared_ptr<Crew> crew = {});

  // --- crews, any thread ---

  std::shared_ptr<Crew> make_crew(std::size_t most);
  /// So many of its jobs are run at the same time from now on.
  void set_most(Crew& crew, std::size_t most);
  /// True if the job waits for others of its crew.
  bool kept_back(JobId id) const;
  /// The job that runs, if it does, does not count in its crew any more.
  void leave_crew(JobId id);

  /// Any thread. True if the job had not begun: it never will, and `done` is told. It is destroyed
  /// on the calling thread.
  bool withdraw(JobId id);

  /// Any thread. Raises the limit to `count` if it is lower.
  void ensure_threads(std::size_t count);

  std::size_t max_threads() const;
  std::size_t threads() const;  // started so far
  std::size_t running() const;  // jobs that run now
  std::size_t waiting() const;  // jobs that wait for a thread, without those kept back

  /// Any thread, never throws. Cancels what waits, gives what runs until `timeout`, then abandons
  /// it: its thread is left to itself. On one of the pool's own threads it waits for none.
  void shutdown(std::chrono::nanoseconds timeout) noexcept;

  /// True on one of this pool's threads.
  bool on_pool_thread() const noexcept;

 private:
  struct State;
  std::shared_ptr<State> state_;  // the threads hold it too
};

}  // namespace mx_rmq::runtime
