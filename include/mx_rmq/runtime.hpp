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
class EventLoop;
struct RuntimeAccess;
}  // namespace runtime

namespace detail {

/// A kind of loop that a Runtime can be a guest on; made known by an optional header.
template <class Loop>
struct HostLoop {
  static constexpr bool known = false;
};

}  // namespace detail

/// How a Runtime is made.
struct RuntimeOptions {
  /// Every member at its default.
  RuntimeOptions();
  /// A copy.
  RuntimeOptions(const RuntimeOptions&);
  /// Takes everything over.
  RuntimeOptions(RuntimeOptions&&) noexcept;
  /// Becomes a copy.
  RuntimeOptions& operator=(const RuntimeOptions&);
  /// Takes everything over.
  RuntimeOptions& operator=(RuntimeOptions&&) noexcept;
  ~RuntimeOptions();

  /// The name of the loop thread in debuggers and top, cut to 15 bytes. The blocking threads have
  /// the same name with "-b" at the end.
  std::string name = "mx-rmq";

  /// How many threads the blocking pool may have, 1 or more. They are started when needed and then
  /// stay. A queue raises the number to what its configuration asks for.
  int blocking_threads = 16;

  /// How long the destructor waits for blocking calls that are still running. After that whoever
  /// awaits them gets ShutdownError, and their threads are left to themselves: what such a call
  /// refers to must outlive the call.
  std::chrono::milliseconds shutdown_timeout = std::chrono::seconds(10);
};

/// One loop thread, on which all input, output, timers and coroutines of the library run, and one
/// pool of threads for blocking calls. Most processes need only the shared one; a queue with a
/// Runtime of its own uses another core.
///
/// **Threads.** Every member may be called from any thread.
///
/// **Signals.** The threads have the signal mask of the thread that made the Runtime. So a program
/// that blocks signals to wait for them must block them before it makes one. The loop thread also
/// blocks SIGPIPE, so that a write to a closed connection raises none. A program that a coroutine
/// handler starts by posix_spawn, system or popen inherits that; a child made by fork does not.
///
/// **fork().** The loop thread does not exist in the child. There the Runtimes of the parent throw
/// std::logic_error instead of hanging, and destroying them does nothing. A process that forks
/// workers should make its queues after the fork.
class Runtime {
 public:
  /// Starts the loop thread. Throws std::invalid_argument for an option out of range and
  /// std::system_error if the system has no thread or file descriptor left.
  explicit Runtime(RuntimeOptions options = RuntimeOptions());

  /// Everything that still waits in sleep_for() or run_blocking() gets ShutdownError, blocking
  /// calls that run have RuntimeOptions::shutdown_timeout to end, and then the threads end. On a
  /// blocking thread of this Runtime, and on the loop thread of any, it does not wait: the threads
  /// then end in the background.
  ~Runtime();

  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  /// The Runtime of everything that was not given another one. It is made at the first call. It is
  /// destroyed in static destruction at the end of the process, or later by the last queue that
  /// holds it. Throws std::logic_error after that, and in a forked child whose parent had made it.
  static std::shared_ptr<Runtime> shared();

  /// A Runtime on a loop that the program runs itself; for libuv's, with mx_rmq/libuv.hpp included,
  /// which says how.
  template <class Loop>
  static std::shared_ptr<Runtime> on(Loop* loop, RuntimeOptions options = RuntimeOptions()) {
    static_assert(detail::HostLoop<Loop>::known,
                  "mx_rmq: Runtime::on takes a uv_loop_t*, and needs mx_rmq/libuv.hpp included");
    if constexpr (detail::HostLoop<Loop>::known) {
      return detail::HostLoop<Loop>::make(loop, std::move(options));
    } else {
      return nullptr;
    }
  }

  /// Whether the calling thread is this Runtime's loop thread.
  bool on_loop_thread() const noexcept;

  /// How long the loop has been busy since it last looked for input; zero while it waits for work.
  /// If this is seconds, a coroutine blocks the loop thread.
  std::chrono::nanoseconds stalled_for() const noexcept;

  /// For the library's own use.
  runtime::EventLoop& event_loop() noexcept;
  /// For the library's own use.
  runtime::BlockingPool& blocking_pool() noexcept;

 private:
  struct Impl;
  friend struct runtime::RuntimeAccess;
  explicit Runtime(std::unique_ptr<Impl> impl) noexcept;

  std::unique_ptr<Impl> impl_;
};

/// Waits without blocking a thread; never too short, and as a rule at most 1 ms too long. Zero or
/// less only lets other coroutines go first. On the loop thread of a Runtime it uses that Runtime,
/// elsewhere the shared one, and it resumes on the loop thread of the one that it used. Throws
/// ShutdownError if the Runtime ends first.
Task<> sleep_for(std::chrono::nanoseconds duration);
/// 1.5s ...: rounded up to nanoseconds.
template <detail::FinerDuration<std::chrono::nanoseconds> D>
Task<> sleep_for(D duration) {
  return sleep_for(detail::rounded_up<std::chrono::nanoseconds>(duration));
}
/// Does not compile: a time needs a unit.
template <detail::PlainNumber N>
Task<> sleep_for(N) {
  static_assert(!detail::PlainNumber<N>,
                "mx_rmq: a time needs a unit: write sleep_for(30s) or sleep_for(500ms), with "
                "`using namespace std::chrono_literals`");
  return sleep_for(std::chrono::nanoseconds(0));
}

namespace detail {

/// A call on the blocking pool. The pool and the awaiter share it: if the Runtime ends before the
/// call does, the awaiter leaves, and the call goes on in memory of its own.
class BlockingCall {
 public:
  virtual ~BlockingCall();
  virtual void run() noexcept = 0;  // on a blocking thread
};

/// Completes on the loop thread when the call has run. Throws ShutdownError if the Runtime ended
/// first, so that the call was not begun or had not ended in time.
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

/// Runs a function that may block, on a thread of the blocking pool, and gives its result or
/// rethrows its exception. On the loop thread of a Runtime it uses that Runtime, elsewhere the
/// shared one, and it resumes on the loop thread of the one that it used.
///
/// The function is moved into the task. It is called once, as an rvalue, when the task is awaited,
/// and destroyed on the blocking thread. The result may be void or a type that can only be moved.
/// If moving the function throws, run_blocking() itself throws. When all threads are busy, calls
/// wait their turn, first in first out. Throws ShutdownError if the Runtime ends before the call
/// has.
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
