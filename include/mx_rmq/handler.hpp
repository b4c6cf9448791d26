#pragma once

#include <chrono>
#include <exception>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "mx_rmq/detail/durations.hpp"
#include "mx_rmq/message.hpp"
#include "mx_rmq/retry_policy.hpp"
#include "mx_rmq/task.hpp"
#include "mx_rmq/tracing.hpp"

/// @file
/// Handlers: what a program registers to have its messages handled.
///
/// **What a handler is.** A callable that returns `Task<>` or `void`, and whose type says what it
/// takes: a lambda, also one that captures or can only be moved; a function; a std::function; an
/// object with one call operator that is no template; or what std::bind_front, std::bind and
/// std::ref make of one of these (a member function must be bound to its object). What std::ref and
/// bound pointers refer to must outlive the queue and the last run. A call operator that is a
/// template or overloaded, as a generic lambda has, works only where its arguments are clear: with
/// two arguments, or with one if T is given.
///
/// - Returning `Task<>`: it runs as a coroutine on the loop thread of the queue's Runtime and must
///   not block. The handler object with what it captured, the message, and a decoded payload stay
///   alive until the run has ended, so a coroutine may hold references to them.
/// - Returning `void`: it may block. It runs on the Runtime's blocking pool.
///
/// **What it takes**, with the types written out (`json` is `nlohmann::json`):
///
/// - For `register_handler(topic, h)`:
///   `(const json&)`, `(Context&)` or `(const json&, Context&)`.
/// - For `register_handler<T>(topic, h)`:
///   `(T)` or `(T, Context&)`. `const T&` is allowed for T.
///
/// A json may be taken by value, too. Anything else does not compile.
///
/// **Runs overlap.** One handler object serves all runs, as many at once as
/// HandlerOptions::max_concurrency allows: coroutines take turns on one thread, blocking handlers
/// run on several threads at the same time. What the handler captured must allow for that.
///
/// **Decoding T.** nlohmann's own conversions to integers truncate silently (2^40 read as int is
/// 0), so from_json(T) should check ranges. Whatever from_json throws makes the message a dead
/// letter with the reason "decode".
///
/// **How a run ends.**
///
/// - It returns: the message is acknowledged.
/// - It throws `Reject`: the message becomes a dead letter at once.
/// - It throws `RetryAfter`: the message is tried again after the delay that it names.
/// - It throws anything else: the message is tried again after `retry_delays[attempt - 1]`, or as
///   its RetryPolicy says. When `max_retries` retries have failed it becomes a dead letter; so it
///   does at once if the retry would be due after its time to live.
/// - It has not ended at its deadline: its stop token fires and the run counts as failed, whatever
///   it does afterwards.
/// - The queue stops, and the run has not ended after MQConfig::shutdown_timeout: its stop token
///   fires. If it then returns or throws Reject very soon, that counts. Otherwise the run is no
///   attempt, and the message goes to another worker.
namespace mx_rmq {

namespace queue {
class TracedRun;
}  // namespace queue

/// Thrown by a handler: this message can never succeed. It becomes a dead letter at once.
class Reject : public std::exception {
 public:
  /// `why` becomes the last error of the dead letter; its reason is "rejected".
  explicit Reject(std::string why = "rejected by the handler");
  /// A copy; never throws.
  Reject(const Reject&) = default;
  /// Never throws.
  Reject& operator=(const Reject&) = default;

  /// The text that was given.
  [[nodiscard]] const char* what() const noexcept override;

 private:
  std::shared_ptr<const std::string> why_;  // shared: copying an exception must not throw
};

/// Thrown by a handler: try this message again after a delay of its own choice. It counts as an
/// attempt: after max_retries retries the message becomes a dead letter, as after any other
/// failure. If its time to live would be over by then it becomes one at once, with the reason
/// "expired".
class RetryAfter : public std::exception {
 public:
  /// `delay`: 0 to 100 years; otherwise std::invalid_argument is thrown.
  explicit RetryAfter(std::chrono::milliseconds delay,
                      std::string why = "retry asked for by the handler");
  /// 1.5s, 250us ...: rounded up to milliseconds.
  template <detail::FinerDuration<std::chrono::milliseconds> D>
  explicit RetryAfter(D delay, std::string why = "retry asked for by the handler")
      : RetryAfter(detail::rounded_up<std::chrono::milliseconds>(delay), std::move(why)) {}
  /// Does not compile: a time needs a unit.
  template <detail::PlainNumber N>
  explicit RetryAfter(N, std::string why = {})
      : RetryAfter(std::chrono::milliseconds(0), std::move(why)) {
    static_assert(!detail::PlainNumber<N>,
                  "mx_rmq: a time needs a unit: write RetryAfter(30s) or RetryAfter(500ms), with "
                  "`using namespace std::chrono_literals`");
  }
  /// A copy; never throws.
  RetryAfter(const RetryAfter&) = default;
  /// Never throws.
  RetryAfter& operator=(const RetryAfter&) = default;

  /// The delay that was given.
  [[nodiscard]] std::chrono::milliseconds delay() const noexcept { return delay_; }
  /// The text that was given.
  [[nodiscard]] const char* what() const noexcept override;

 private:
  std::chrono::milliseconds delay_;
  std::shared_ptr<const std::string> why_;
};

namespace detail {

/// What a worker supplies behind a Context. All members are called on the thread that runs the
/// handler.
class ContextImpl {
 public:
  ContextImpl() = default;
  ContextImpl(const ContextImpl&) = delete;
  ContextImpl& operator=(const ContextImpl&) = delete;
  virtual ~ContextImpl();

  [[nodiscard]] virtual const Message& message() const noexcept = 0;
  [[nodiscard]] virtual int attempt() const noexcept = 0;
  [[nodiscard]] virtual int max_attempts() const noexcept = 0;
  [[nodiscard]] virtual std::chrono::steady_clock::time_point deadline() const noexcept = 0;
  [[nodiscard]] virtual std::stop_token stop_token() const noexcept = 0;
  virtual Task<> extend(std::chrono::milliseconds by) = 0;  // `by` is checked already
};

}  // namespace detail

/// The run that a handler is in: what it may know about it and do to it.
///
/// The handler gets a reference, which is valid until the run ends. Use it from one thread at a
/// time. The stop token may be used from any thread, and for as long as wanted.
class Context {
 public:
  /// For workers and tests. `impl` must not be null.
  explicit Context(std::unique_ptr<detail::ContextImpl> impl);
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context();

  /// The message being handled, its payload parsed. Lives as long as the run.
  [[nodiscard]] const Message& message() const noexcept;
  /// The message's id.
  [[nodiscard]] const std::string& id() const noexcept;
  /// The message's topic.
  [[nodiscard]] const std::string& topic() const noexcept;
  /// What its producer said beside the payload (ProduceOptions::header).
  [[nodiscard]] const std::map<std::string, std::string>& headers() const noexcept;
  /// Where in which trace this run is, if the queue has a tracer: for what the handler calls. A
  /// message that it produces is part of the trace if it takes the context along:
  /// `ProduceOptions{}.header("traceparent", context.trace_context().traceparent)`.
  [[nodiscard]] const TraceContext& trace_context() const noexcept { return trace_context_; }
  /// Which attempt this is, from 1. Only runs that failed are counted here. Runs that ended with
  /// their worker (a crash, a lost lease) are counted in message().meta.recoveries, and runs that a
  /// stop of the queue cut short in message().meta.interruptions.
  [[nodiscard]] int attempt() const noexcept;
  /// How many attempts there can be: max_retries + 1.
  [[nodiscard]] int max_attempts() const noexcept;
  /// When this run will count as failed; extend() moves it. What is left is
  /// `deadline() - std::chrono::steady_clock::now()`.
  [[nodiscard]] std::chrono::steady_clock::time_point deadline() const noexcept;
  /// Fires when the deadline has passed, when the lease was lost (the result of this run will be
  /// ignored), and when the queue stops and its shutdown_timeout is over. A handler that runs for
  /// long should look at it.
  [[nodiscard]] std::stop_token stop_token() const noexcept;
  /// Lets this run go on for at least `duration` from now: moves the deadline there if it was
  /// earlier. From a coroutine: `co_await context.extend(5min)`; from a blocking handler:
  /// `sync_wait(context.extend(5min))`. The lease at Redis has nothing to do with it: the library
  /// renews that all the while. So this needs no round trip, unless the lease has become doubtful.
  ///
  /// Ends on the loop thread. Throws std::invalid_argument, at once, unless `duration` is 1 ms to
  /// 30 days; LeaseLost if another consumer has the message by now; TimeoutError if the deadline
  /// has passed already.
  Task<> extend(std::chrono::milliseconds duration);
  /// 1.5s, 250us ...: rounded up to milliseconds.
  template <detail::FinerDuration<std::chrono::milliseconds> D>
  Task<> extend(D duration) {
    return extend(detail::rounded_up<std::chrono::milliseconds>(duration));
  }
  /// Does not compile: a time needs a unit.
  template <detail::PlainNumber N>
  Task<> extend(N) {
    static_assert(!detail::PlainNumber<N>,
                  "mx_rmq: a time needs a unit: write extend(30s) or extend(500ms), with "
                  "`using namespace std::chrono_literals`");
    return extend(std::chrono::milliseconds(0));
  }

 private:
  friend queue::TracedRun;
  void set_trace_context(TraceContext context) { trace_context_ = std::move(context); }

  std::unique_ptr<detail::ContextImpl> impl_;
  TraceContext trace_context_;
};

/// How the messages of one handler are treated: `HandlerOptions{}.timeout(30s).max_concurrency(4)`.
///
/// What is not set comes from MQConfig. register_handler checks the options, and throws
/// std::invalid_argument naming the one that is wrong.
class HandlerOptions {
 public:
  /// Everything as MQConfig has it.
  HandlerOptions();

  /// Deadline of each run, 1 ms to 30 days. Default: MQConfig::processing_timeout.
  HandlerOptions& timeout(std::chrono::milliseconds timeout);
  /// 1.5s, 250us ...: rounded up to milliseconds.
  template <detail::FinerDuration<std::chrono::milliseconds> D>
  HandlerOptions& timeout(D timeout) {
    return this->timeout(detail::rounded_up<std::chrono::milliseconds>(timeout));
  }
  /// Does not compile: a time needs a unit.
  template <detail::PlainNumber N>
  HandlerOptions& timeout(N) {
    static_assert(!detail::PlainNumber<N>,
                  "mx_rmq: a time needs a unit: write timeout(30s) or timeout(500ms), with "
                  "`using namespace std::chrono_literals`");
    return *this;
  }
  /// How many runs of this handler may be under way at the same time in this process, 1 or more.
  /// Default: no limit of its own; MQConfig::max_workers limits all handlers of the queue together.
  HandlerOptions& max_concurrency(int max_concurrency);
  /// Retries after the first attempt, 0 to 1000. Default: MQConfig::max_retries.
  HandlerOptions& max_retries(int max_retries);
  /// Pause before each retry, 0 to 365 days each; the last one repeats. It may be empty only if
  /// there are no retries. Default: MQConfig::retry_delays.
  HandlerOptions& retry_delays(std::vector<std::chrono::milliseconds> delays);
  /// {1.5s, 3s, 1min} ...: each rounded up to milliseconds.
  HandlerOptions& retry_delays(std::initializer_list<detail::AnyTime> delays) {
    return retry_delays(std::vector<std::chrono::milliseconds>(delays.begin(), delays.end()));
  }
  /// The pauses otherwise: fixed, growing, by chance, by a function; and what is not retried. A
  /// handler that sets this must not set retry_delays, unless the policy is made for them. Default:
  /// MQConfig::retry_policy, or its own retry_delays if it has some.
  HandlerOptions& retry_policy(RetryPolicy policy);

  /// Where the runs of a handler that returns void take place, instead of the blocking pool: on a
  /// thread pool of the program's own, in a strand, on the thread of a window. `executor` is called
  /// with the work to run, a `std::function<void()>`, and sees to it that it is called once:
  ///
  ///     HandlerOptions{}.executor([&pool](auto work) { pool.post(std::move(work)); })
  ///
  /// It is called on the loop thread and must not block. What waits for its turn longer than the
  /// run itself may take (timeout) is given back to others, as if there were no thread free. So is
  /// what the executor refuses by throwing, or drops. Work that is called after that, or a second
  /// time, does nothing. The executor and what it refers to must outlive the queue.
  template <class F>
  HandlerOptions& executor(F executor) {
    constexpr bool fits =
        std::is_invocable_v<F&, std::function<void()>> && std::is_copy_constructible_v<F>;
    static_assert(fits,
                  "mx_rmq: an executor is a copyable function that is called with the work to run, "
                  "a std::function<void()>: [&pool](std::function<void()> work) { "
                  "pool.post(std::move(work)); }");
    if constexpr (fits) executor_ = std::move(executor);
    return *this;
  }

  /// The executor that was set, if any.
  [[nodiscard]] const std::optional<std::function<void(std::function<void()>)>>& executor()
      const noexcept {
    return executor_;
  }
  /// The deadline that was set, if any.
  [[nodiscard]] const std::optional<std::chrono::milliseconds>& timeout() const noexcept {
    return timeout_;
  }
  /// The number of runs at once that was set, if any.
  [[nodiscard]] const std::optional<int>& max_concurrency() const noexcept {
    return max_concurrency_;
  }
  /// The number of retries that was set, if any.
  [[nodiscard]] const std::optional<int>& max_retries() const noexcept { return max_retries_; }
  /// The pauses that were set, if any.
  [[nodiscard]] const std::optional<std::vector<std::chrono::milliseconds>>& retry_delays()
      const noexcept {
    return retry_delays_;
  }
  /// The policy that was set, if any.
  [[nodiscard]] const std::optional<RetryPolicy>& retry_policy() const noexcept {
    return retry_policy_;
  }

 private:
  std::optional<std::chrono::milliseconds> timeout_;
  std::optional<int> max_concurrency_;
  std::optional<int> max_retries_;
  std::optional<std::vector<std::chrono::milliseconds>> retry_delays_;
  std::optional<RetryPolicy> retry_policy_;
  std::optional<std::function<void(std::function<void()>)>> executor_;
};

}  // namespace mx_rmq

#include "mx_rmq/detail/erase_handler.hpp"  // needs the types above
