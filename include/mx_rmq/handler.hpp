#pragma once

#include <chrono>
#include <exception>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "mx_rmq/detail/durations.hpp"
#include "mx_rmq/message.hpp"
#include "mx_rmq/task.hpp"

/// What a program hands in to have its messages handled.
///
/// A handler is a callable that returns `Task<>` or `void` and whose type tells what it takes: a
/// lambda, also one with captures or move-only; a function; a std::function; an object with one call
/// operator that is no template; what std::bind_front, std::bind and std::ref make of such (a member
/// function is bound to its object). What std::ref and bound pointers lead to must outlive the queue
/// and the last run. A generic lambda, or any other call operator that is a template or overloaded,
/// is one where there is a single reading: with two arguments, or with one where T is given.
///
/// - Returning `Task<>`: it runs as a coroutine on the loop thread of the queue's Runtime and must
///   not block. The handler object, with what it captured, the message and a decoded payload stay
///   alive until that run has ended, so references to them are safe in the coroutine.
/// - Returning `void`: it may block; it runs on the Runtime's blocking pool.
///
/// Its arguments, with their types written out (`json` is `nlohmann::json`):
///
/// - For `register_handler(topic, h)`:
///   `(const json&)`, `(Context&)` or `(const json&, Context&)`.
/// - For `register_handler<T>(topic, h)`:
///   `(T)` or `(T, Context&)`, where T may also be taken as `const T&`.
///
/// A json may be taken by value, too. Anything else does not compile. One handler object serves all
/// runs: runs overlap as far as HandlerOptions::max_concurrency allows, coroutines interleaved on
/// one thread, blocking handlers on several threads at once, so what it captured needs the
/// corresponding care.
///
/// With T, nlohmann's own conversions to integers truncate silently (2^40 read as int is 0), so
/// range checks are from_json(T)'s business. Whatever from_json throws makes the message a dead
/// letter with the reason "decode".
///
/// **Outcome of a run.** A normal return acknowledges the message. `Reject` makes it a dead letter
/// at once. `RetryAfter` retries after the given delay. Any other exception, std or not, retries
/// after `retry_delays[attempt - 1]`; when `max_retries` retries have failed it becomes a dead
/// letter, and so it does at once if the retry would be due when its time to live is over. The
/// worker gives every run a deadline; at the deadline its stop token fires and the run counts as
/// failed, whatever it still does. When the queue stops and a run has not ended after
/// MQConfig::shutdown_timeout its stop token fires, too; unless it returns or throws Reject very
/// soon it is no attempt, and its message goes to whoever is next.
namespace mx_rmq {

/// Thrown by a handler: this message can never succeed. It becomes a dead letter at once with the
/// reason "rejected" and `why` as its last error.
class Reject : public std::exception {
 public:
  explicit Reject(std::string why = "rejected by the handler");
  Reject(const Reject&) = default;
  Reject& operator=(const Reject&) = default;

  [[nodiscard]] const char* what() const noexcept override;

 private:
  std::shared_ptr<const std::string> why_;  // shared: copying an exception must not throw
};

/// Thrown by a handler: try this message again after `delay` instead of the configured one. Counts
/// as an attempt: after max_retries retries the message becomes a dead letter as with any other
/// failure, and at once, with the reason "expired", if its time to live is over by then.
class RetryAfter : public std::exception {
 public:
  /// `delay`: 0 to 100 years; std::invalid_argument otherwise.
  explicit RetryAfter(std::chrono::milliseconds delay,
                      std::string why = "retry asked for by the handler");
  /// 1.5s, 250us ...: rounded up to milliseconds.
  template <detail::FinerDuration<std::chrono::milliseconds> D>
  explicit RetryAfter(D delay, std::string why = "retry asked for by the handler")
      : RetryAfter(detail::rounded_up<std::chrono::milliseconds>(delay), std::move(why)) {}
  template <detail::PlainNumber N>
  explicit RetryAfter(N, std::string why = {})
      : RetryAfter(std::chrono::milliseconds(0), std::move(why)) {
    static_assert(!detail::PlainNumber<N>,
                  "mx_rmq: a time needs a unit: write RetryAfter(30s) or RetryAfter(500ms), with "
                  "`using namespace std::chrono_literals`");
  }
  RetryAfter(const RetryAfter&) = default;
  RetryAfter& operator=(const RetryAfter&) = default;

  [[nodiscard]] std::chrono::milliseconds delay() const noexcept { return delay_; }
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

/// What a handler may know about, and do to, the run it is in. Valid from the start of the run to
/// its end; the handler gets a reference and must not keep it longer. Use it from the handler's own
/// thread, or from one thread at a time; the stop token may be used from anywhere and as long as
/// wanted.
class Context {
 public:
  /// For workers and tests. `impl` must not be null.
  explicit Context(std::unique_ptr<detail::ContextImpl> impl);
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context();

  /// The message being handled, its payload parsed. Lives as long as the run.
  [[nodiscard]] const Message& message() const noexcept;
  /// Its id and its topic: those of message().
  [[nodiscard]] const std::string& id() const noexcept;
  [[nodiscard]] const std::string& topic() const noexcept;
  /// Which attempt this is, from 1. A run that ended with its worker (a crash, a lost lease) is not
  /// counted here but in message().meta.recoveries, one that a stop of the queue cut short in
  /// message().meta.interruptions.
  [[nodiscard]] int attempt() const noexcept;
  /// How many attempts there can be: max_retries + 1.
  [[nodiscard]] int max_attempts() const noexcept;
  /// When this run will count as failed (the handler's timeout): a time of the steady clock of this
  /// machine, so `deadline() - std::chrono::steady_clock::now()` is what is left. Moves with
  /// extend().
  [[nodiscard]] std::chrono::steady_clock::time_point deadline() const noexcept;
  /// Fires when the deadline has passed, when the message's lease was lost (its result will be
  /// ignored), and when the queue is stopping and the shutdown time is over. A handler that runs
  /// long should look at it.
  [[nodiscard]] std::stop_token stop_token() const noexcept;
  /// Lets this run go on for at least `duration` from now: moves the deadline to then if it was
  /// earlier. The lease at Redis is renewed by the library all the while; this needs no round trip
  /// as long as the lease is known to hold. From a coroutine: `co_await context.extend(5min)`; from
  /// a blocking handler: `sync_wait(context.extend(5min))`. Ends on the loop thread. Throws
  /// std::invalid_argument (at once) unless duration is 1 ms to 30 days, LeaseLost if somebody else
  /// has the message by now, TimeoutError if the deadline has passed already.
  Task<> extend(std::chrono::milliseconds duration);
  /// 1.5s, 250us ...: rounded up to milliseconds.
  template <detail::FinerDuration<std::chrono::milliseconds> D>
  Task<> extend(D duration) {
    return extend(detail::rounded_up<std::chrono::milliseconds>(duration));
  }
  template <detail::PlainNumber N>
  Task<> extend(N) {
    static_assert(!detail::PlainNumber<N>,
                  "mx_rmq: a time needs a unit: write extend(30s) or extend(500ms), with "
                  "`using namespace std::chrono_literals`");
    return extend(std::chrono::milliseconds(0));
  }

 private:
  std::unique_ptr<detail::ContextImpl> impl_;
};

/// How the messages of one handler are treated. Fluent:
/// `HandlerOptions{}.timeout(30s).max_concurrency(4)`. What is not set comes from MQConfig. Checked
/// by register_handler: std::invalid_argument naming the option.
class HandlerOptions {
 public:
  HandlerOptions();

  /// Deadline of each run, 1 ms to 30 days. Default: MQConfig::processing_timeout.
  HandlerOptions& timeout(std::chrono::milliseconds timeout);
  /// 1.5s, 250us ...: rounded up to milliseconds.
  template <detail::FinerDuration<std::chrono::milliseconds> D>
  HandlerOptions& timeout(D timeout) {
    return this->timeout(detail::rounded_up<std::chrono::milliseconds>(timeout));
  }
  template <detail::PlainNumber N>
  HandlerOptions& timeout(N) {
    static_assert(!detail::PlainNumber<N>,
                  "mx_rmq: a time needs a unit: write timeout(30s) or timeout(500ms), with "
                  "`using namespace std::chrono_literals`");
    return *this;
  }
  /// Most runs of this handler at the same moment in this process, 1 or more. Default: no bound of
  /// its own; MQConfig::max_workers bounds all handlers of the queue together.
  HandlerOptions& max_concurrency(int max_concurrency);
  /// Retries after the first attempt, 0 to 1000. Default: MQConfig::max_retries.
  HandlerOptions& max_retries(int max_retries);
  /// Pause before each retry, 0 to 365 days each; the last one repeats; not empty if there are
  /// retries. Default: MQConfig::retry_delays.
  HandlerOptions& retry_delays(std::vector<std::chrono::milliseconds> delays);
  /// {0.5s, 1.5s} ...: each rounded up to milliseconds.
  template <detail::FinerDuration<std::chrono::milliseconds> D>
  HandlerOptions& retry_delays(std::initializer_list<D> delays) {
    std::vector<std::chrono::milliseconds> rounded;
    for (const D delay : delays)
      rounded.push_back(detail::rounded_up<std::chrono::milliseconds>(delay));
    return retry_delays(std::move(rounded));
  }
  template <detail::PlainNumber N>
  HandlerOptions& retry_delays(std::initializer_list<N>) {
    static_assert(!detail::PlainNumber<N>,
                  "mx_rmq: a time needs a unit: write retry_delays({30s, 5min}), with "
                  "`using namespace std::chrono_literals`");
    return *this;
  }

  /// What was set; none = MQConfig's.
  [[nodiscard]] const std::optional<std::chrono::milliseconds>& timeout() const noexcept {
    return timeout_;
  }
  [[nodiscard]] const std::optional<int>& max_concurrency() const noexcept {
    return max_concurrency_;
  }
  [[nodiscard]] const std::optional<int>& max_retries() const noexcept { return max_retries_; }
  [[nodiscard]] const std::optional<std::vector<std::chrono::milliseconds>>& retry_delays()
      const noexcept {
    return retry_delays_;
  }

 private:
  std::optional<std::chrono::milliseconds> timeout_;
  std::optional<int> max_concurrency_;
  std::optional<int> max_retries_;
  std::optional<std::vector<std::chrono::milliseconds>> retry_delays_;
};

}  // namespace mx_rmq

#include "mx_rmq/detail/erase_handler.hpp"  // needs the types above
