#pragma once

#include <chrono>
#include <cstdint>
#include <utility>

#include "mx_rmq/task.hpp"

#include "broker/scripts/script_call.hpp"
#include "redis/topology/route.hpp"
#include "runtime/backoff.hpp"
#include "runtime/event_loop.hpp"

namespace mx_rmq::broker {

using runtime::Duration;
using runtime::TimePoint;

/// The pauses between copies of a call: no hot loop where the connection dies at each copy. To be
/// used without jitter, because the lane's reconnecting has it.
[[nodiscard]] inline runtime::Backoff resend_pauses() noexcept {
  return {std::chrono::milliseconds(10), std::chrono::milliseconds(500)};
}

/// Runs scripts over one route. Loop thread only; the route must outlive it and its calls.
///
/// Errors as Route::eval: ConnectionError, TimeoutError, ShutdownError (nothing was sent),
/// ServerError (refused), OutcomeUnknown; ProtocolError for a reply of another shape. With
/// Resend::until_deadline a lost reply, a lost connection and a full queue of it are no errors
/// before the deadline; and once a copy may have been executed, every failure of a later one is
/// OutcomeUnknown. An error raised inside a script is never answered with another copy: the script
/// may have done half.
class ScriptCaller {
 public:
  explicit ScriptCaller(redis::Route& route) noexcept : route_(&route) {}

  /// One that waits at most so long for each copy of a call with Resend::until_deadline: a
  /// connection that has fallen silent must not cost the whole time.
  [[nodiscard]] ScriptCaller each_within(Duration copy_timeout) const noexcept {
    ScriptCaller other = *this;
    other.copy_timeout_ = copy_timeout;
    return other;
  }

  /// Encodes before it returns: what `args` refers to need not live longer. A Reply that tells the
  /// server's time sets the server clock. `only_epoch`, if not 0: ConnectionError unless the call
  /// is written in that epoch of the route.
  template <class S>
  Task<typename S::Reply> call(const TopicKeys& keys, const typename S::Args& args,
                               TimePoint deadline, Resend resend = S::resend,
                               std::uint64_t only_epoch = 0) const {
    return run<S>(*this, encode<S>(keys, args), deadline, resend, only_epoch, nullptr);
  }
  /// Sets `*repeated`, which must outlive the call, to true if an earlier copy than the one that
  /// was answered may have been executed too.
  template <class S>
  Task<typename S::Reply> call(const TopicKeys& keys, const typename S::Args& args,
                               TimePoint deadline, bool* repeated) const {
    return run<S>(*this, encode<S>(keys, args), deadline, S::resend, 0, repeated);
  }

  /// A plain command that may be sent twice (reads, and what only sets a state): until the
  /// deadline. Never returns an error reply; errors as above, every error reply being ServerError.
  Task<redis::Reply> plain(redis::Command command, TimePoint deadline) const {
    return ask_plain(*this, std::move(command), deadline);
  }

  [[nodiscard]] redis::Route& route() const noexcept { return *route_; }
  [[nodiscard]] runtime::EventLoop& loop() const noexcept { return route_->loop(); }
  [[nodiscard]] redis::ServerClock& clock() const noexcept { return route_->clock(); }

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

  template <class S>
  redis::Command encode(const TopicKeys& keys, const typename S::Args& args) const {
    if constexpr (requires { S::encode(keys, args, route_->channels()); }) {
      return S::encode(keys, args, route_->channels());
    } else {
      return S::encode(keys, args);
    }
  }
  template <class S>
  static Task<typename S::Reply> run(ScriptCaller self, redis::Command command, TimePoint deadline,
                                     Resend resend, std::uint64_t only_epoch, bool* repeated) {
    Answer answer =
        co_await ask(self, &S::script, std::move(command), deadline, resend, only_epoch);
    typename S::Reply out = S::decode(std::move(answer.reply));
    if constexpr (requires { out.now; }) {
      self.clock().observe(out.now, answer.sent, answer.received);
    }
    if (repeated != nullptr && answer.repeated) *repeated = true;
    co_return out;
  }

  redis::Route* route_;
  Duration copy_timeout_ = Duration::max();
};

}  // namespace mx_rmq::broker
