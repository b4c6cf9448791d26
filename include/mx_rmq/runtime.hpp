#pragma once

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "mx_rmq/detail/durations.hpp"
#include "mx_rmq/task.hpp"

namespace mx_rmq {

class Runtime;

namespace runtime {
class BlockingPool;
class Clock;
class EventLoop;
std::shared_ptr<Runtime> make_hand_driven(const Clock& clock);
}  // namespace runtime

/// How a Runtime is made.
struct RuntimeOptions {
  RuntimeOptions();
  RuntimeOptions(const RuntimeOptions&);
  RuntimeOptions(RuntimeOptions&&) noexcept;
  RuntimeOptions& operator=(const RuntimeOptions&);
  RuntimeOptions& operator=(RuntimeOptions&&) noexcept;
  ~RuntimeOptions();

  /// Name of the loop thread as debuggers and top show it, cut to 15 bytes; the blocking threads
  /// have the same name with "-b" at the end.
  std::string name = "mx-rmq";

  /// Most threads the blocking pool may have, 1 or more. They are started when needed and then stay.
  /// A queue raises it to what its configuration asks for.
  int blocking_threads = 16;

  /// How long the destructor waits for blocking calls that are still running. After that their
  /// awaiters get ShutdownError and the threads are left to themselves: what such a call refers to
  /// must then outlive the process, or the call.
  std::chrono::milliseconds shutdown_timeout = std::chrono::seconds(10);
};

/// One loop thread, on which all the library's input, output, timers and coroutines run, and one
/// pool of threads for blocking calls. Most processes need only the shared one; a queue with a
/// Runtime of its own uses another core.
///
/// Threads: every member may be called from any thread. The threads have the signal mask of the
/// thread that made the Runtime, so a program that blocks signals to wait for them blocks them before
/// it makes one. On the loop thread SIGPIPE is blocked besides (a write to a closed connection raises
/// none there): what a coroutine handler starts by posix_spawn, system or popen inherits that, what it
/// starts by fork does not.
///
/// fork(): the loop thread does not exist in the child. There the Runtimes of the parent refuse to
/// work (std::logic_error) instead of hanging, and destroying them does nothing. A process that
/// forks workers makes its queues after the fork.
class Runtime {
 public:
  /// Starts the loop thread. Throws std::invalid_argument for an option out of range and
  /// std::system_error if the system has no thread or file descriptor left.
  explicit Runtime(RuntimeOptions options = RuntimeOptions());

  /// Everything that still waits in sleep_for() or run_blocking() is resumed with ShutdownError,
  /// running blocking calls get RuntimeOptions::shutdown_timeout, then the threads end.
  /// On a blocking thread of this same Runtime, and on the loop thread of any, it does not wait: the
  /// threads end by themselves afterwards.
  ~Runtime();

  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  /// The Runtime that serves everything that was not given another one. Made at the first call, and
  /// destroyed at the end of the process, in static destruction, or later by the last queue that
  /// holds it. Throws std::logic_error in a forked child whose parent had made it, and after its
  /// destruction.
  static std::shared_ptr<Runtime> shared();

  /// True if the calling thread is this Runtime's loop thread.
  bool on_loop_thread() const noexcept;

  /// For how long the loop has been busy without coming back to look for input: zero while it waits
  /// for work. Seconds mean that a coroutine blocks the loop thread.
  std::chrono::nanoseconds stalled_for() const noexcept;

  /// The parts, for the library's own use.
  runtime::EventLoop& event_loop() noexcept;
  runtime::BlockingPool& blocking_pool() noexcept;

 private:
  struct Impl;
  friend std::shared_ptr<Runtime> runtime::make_hand_driven(const runtime::Clock& clock);
  explicit Runtime(std::unique_ptr<Impl> impl) noexcept;

  std::unique_ptr<Impl> impl_;
};

/// Waits without blocking a thread. Uses the Runtime of the awaiting coroutine, or the shared one if
/// it is awaited on another thread, and resumes on the loop thread of that Runtime: never early, and
/// as a rule at most 1 ms late. Zero or less only yields to other coroutines.
/// Throws ShutdownError if the Runtime ends first.
Task<> sleep_for(std::chrono::nanoseconds duration);
/// 1.5s ...: rounded up to nanoseconds.
template <detail::FinerDuration<std::chrono::nanoseconds> D>
Task<> sleep_for(D duration) {
  return sleep_for(detail::rounded_up<std::chrono::nanoseconds>(duration));
}
template <detail::PlainNumber N>
Task<> sleep_for(N) {
  static_assert(!detail::PlainNumber<N>,
                "mx_rmq: a time needs a unit: write sleep_for(30s) or sleep_for(500ms), with "
                "`using namespace std::chrono_literals`");
  return sleep_for(std::chrono::nanoseconds(0));
}

namespace detail {

/// A call that is handed to the blocking pool and shared with it: if the Runtime ends before the
/// call does, the awaiter leaves and the call keeps its own memory.
class BlockingCall {
 public:
  virtual ~BlockingCall();
  virtual void run() noexcept = 0;  // on a blocking thread
};

/// Completes on the loop thread when the call has run. Throws ShutdownError if it did not run, or
/// had not ended in time, because the Runtime ended.
Task<> run_blocking_call(std::shared_ptr<BlockingCall> call);

template <class F>
class BlockingCallOf final : public BlockingCall {
 public:
  using Result = std::invoke_result_t<F>;

  explicit BlockingCallOf(F&& function) : function_(std::move(function)) {}

  void run() noexcept override {
    try {
      if constexpr (std::is_void_v<Result>) {
        std::invoke(std::move(*function_));
      } else {
        result_.emplace(std::invoke(std::move(*function_)));
      }
    } catch (...) {
      error_ = std::current_exception();
    }
    function_.reset();
  }

  Result take() {
    if (error_) std::rethrow_exception(std::move(error_));
    if constexpr (!std::is_void_v<Result>) return std::move(*result_);
  }

 private:
  using Stored = std::conditional_t<std::is_void_v<Result>, std::monostate, Result>;

  std::optional<F> function_;
  std::optional<Stored> result_;
  std::exception_ptr error_;
};

template <class F>
auto await_blocking_call(std::shared_ptr<BlockingCallOf<F>> call) -> Task<std::invoke_result_t<F>> {
  co_await run_blocking_call(call);
  co_return call->take();
}

template <class T>
inline constexpr bool is_task = false;
template <class T>
inline constexpr bool is_task<Task<T>> = true;

}  // namespace detail

/// Runs a function that blocks on a thread of the blocking pool and gives its result, or rethrows
/// its exception. Uses the Runtime of the awaiting coroutine, or the shared one if it is awaited on
/// another thread, and resumes on the loop thread of that Runtime.
///
/// The function is moved into the task; it is called once, as an rvalue, when the task is awaited,
/// and destroyed on the blocking thread. The result may be void or move-only. If copying or moving
/// the function throws, run_blocking() itself throws. Calls wait their turn, first in first out,
/// when all threads are busy.
/// Throws ShutdownError if the Runtime ends before the call has.
///
/// g++ 12 destroys a lambda with captures twice if it is written inside the co_await expression.
/// Give such a task a name: `auto call = run_blocking([file] { ... }); co_await std::move(call);`
template <class F>
auto run_blocking(F function) -> Task<std::invoke_result_t<F>> {
  static_assert(!std::is_reference_v<std::invoke_result_t<F>>,
                "run_blocking: the function may not return a reference; return a pointer");
  static_assert(!detail::is_task<std::invoke_result_t<F>>,
                "run_blocking: the function is a coroutine; co_await it instead");
  return detail::await_blocking_call<F>(
      std::make_shared<detail::BlockingCallOf<F>>(std::move(function)));
}

}  // namespace mx_rmq
