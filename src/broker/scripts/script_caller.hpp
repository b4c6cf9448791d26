#pragma once

#include <chrono>
#include <cstdint>
#include <utility>

#include "mx_rmq/task.hpp"

#include "redis/topology/lane.hpp"
#include "redis/topology/server_clock.hpp"
#include "redis/wire/command.hpp"
#include "redis/wire/reply.hpp"
#include "runtime/backoff.hpp"
#include "runtime/event_loop.hpp"

namespace mx_rmq::lua {
struct Script;
}

namespace mx_rmq::broker {

using runtime::Duration;
using runtime::TimePoint;

/// What to do when a call was sent and no reply came.
enum class Resend : std::uint8_t {
  never,            ///< tell the caller: OutcomeUnknown
  if_not_executed,  ///< tell the caller, too; send it again where it surely was not executed
  until_deadline    ///< send the same call again until the deadline; only for what may happen twice
};

/// The pauses between copies of a call: no hot loop where the connection dies at each copy. To be used without
/// jitter, because the lane's reconnecting has it.
[[nodiscard]] inline runtime::Backoff resend_pauses() noexcept {
  return {std::chrono::milliseconds(10), std::chrono::milliseconds(500)};
}

/// A result, and whether an earlier copy of the call may have been executed too.
template <class R>
struct Attempted {
  R result{};
  bool repeated = false;
};

/// Runs scripts on one lane. Loop thread only; the loop, lane and clock must outlive it and its calls.
///
/// Errors as Lane::eval: ConnectionError, TimeoutError, ShutdownError (nothing was sent), ServerError
/// (refused), OutcomeUnknown; ProtocolError for a reply of another shape. With Resend::until_deadline a lost
/// reply, a lost connection and a full queue of it are no errors before the deadline; and once a copy may
/// have been executed, every failure of a later one is OutcomeUnknown. An error raised inside a script is
/// never answered with another copy: the script may have done half.
class ScriptCaller {
 public:
  ScriptCaller(runtime::EventLoop& loop, redis::Lane& lane, redis::ServerClock& clock) noexcept
      : loop_(&loop), lane_(&lane), clock_(&clock) {}

  /// One that waits at most so long for each copy of a call with Resend::until_deadline: a connection that
  /// has fallen silent must not cost the whole time.
  [[nodiscard]] ScriptCaller each_within(Duration attempt_timeout) const noexcept {
    ScriptCaller other = *this;
    other.attempt_timeout_ = attempt_timeout;
    return other;
  }

  template <class R>
  using Read = R (*)(redis::Reply&&);

  /// `script` lives for ever. Replies whose R has a `now` set the server clock.
  template <class R>
  Task<Attempted<R>> attempt(const lua::Script& script, redis::Command command, Read<R> read,
                             TimePoint deadline, Resend resend,
                             std::uint64_t only_epoch = 0) const {
    return run<R>(*this, &script, std::move(command), read, deadline, resend, only_epoch);
  }
  template <class R>
  Task<R> call(const lua::Script& script, redis::Command command, Read<R> read, TimePoint deadline,
               Resend resend, std::uint64_t only_epoch = 0) const {
    return strip<R>(run<R>(*this, &script, std::move(command), read, deadline, resend, only_epoch));
  }

  /// A plain command that may be sent twice (reads, and what only sets a state): until the deadline. Never
  /// returns an error reply; errors as above, every error reply being ServerError.
  Task<redis::Reply> plain(redis::Command command, TimePoint deadline) const {
    return ask_plain(*this, std::move(command), deadline);
  }

  [[nodiscard]] runtime::EventLoop& loop() const noexcept { return *loop_; }
  [[nodiscard]] redis::Lane& lane() const noexcept { return *lane_; }
  [[nodiscard]] redis::ServerClock& clock() const noexcept { return *clock_; }

 private:
  struct Answer {
    redis::Reply reply;
    TimePoint sent{};
    TimePoint received{};
    bool repeated = false;
  };
  static Task<Answer> ask(ScriptCaller self, const lua::Script* script, redis::Command command,
                          TimePoint deadline, Resend resend, std::uint64_t only_epoch);

  static Task<redis::Reply> ask_plain(ScriptCaller self, redis::Command command,
                                      TimePoint deadline);

  template <class R>
  static Task<Attempted<R>> run(ScriptCaller self, const lua::Script* script,
                                redis::Command command, Read<R> read, TimePoint deadline,
                                Resend resend, std::uint64_t only_epoch) {
    Answer answer = co_await ask(self, script, std::move(command), deadline, resend, only_epoch);
    Attempted<R> out;
    out.result = read(std::move(answer.reply));
    out.repeated = answer.repeated;
    if constexpr (requires { out.result.now; }) {
      self.clock_->observe(out.result.now, answer.sent, answer.received);
    }
    co_return out;
  }
  template <class R>
  static Task<R> strip(Task<Attempted<R>> task) {
    Attempted<R> out = co_await std::move(task);
    co_return std::move(out.result);
  }

  runtime::EventLoop* loop_;
  redis::Lane* lane_;
  redis::ServerClock* clock_;
  Duration attempt_timeout_ = Duration::max();
};

}  // namespace mx_rmq::broker
