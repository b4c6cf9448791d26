#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "redis/connection/action.hpp"
#include "redis/connection/command_queue.hpp"
#include "redis/connection/options.hpp"
#include "redis/connection/seams.hpp"
#include "redis/connection/setup_run.hpp"
#include "runtime/backoff.hpp"
#include "runtime/mono_clock.hpp"

namespace mx_rmq::redis {

/// How a connection is doing.
enum class LaneState : std::uint8_t {
  idle,         ///< never used yet
  resolving,    ///< looking up the host
  connecting,   ///< trying an address, TLS included
  setting_up,   ///< AUTH, SELECT, ... sent
  ready,        ///< usable
  backing_off,  ///< pausing before the next attempt
  refused,      ///< credentials or rights refused: pausing for long
  draining,     ///< closing: awaits what was written
  closed        ///< for good
};

/// Told of a command that was bound to one connection.
inline constexpr std::string_view bound_and_over =
    "not sent: its connection ended first, and it must not go over another one";

/// One connection slot as a pure state machine: it is told events with their time and answers with
/// actions; it owns no socket, no timer and no coroutine. Every waiter that was submitted is
/// answered by exactly one `reply` or `fail` action.
///
/// Its commands are a CommandQueue's, the pipeline that makes a connection usable is a SetupRun's;
/// when there is a connection, and what its end means for both, is decided here.
class ConnectionFsm {
 public:
  /// `rng` must outlive it.
  /// With `local`, a path, nothing is resolved.
  ConnectionFsm(ConnectionOptions options, std::optional<Address> local,
                std::shared_ptr<const SetupPlan> plan, Rng& rng);

  // --- what the owner asks for ---

  /// It carries subscriptions, and so what the server sends unasked; before it is used.
  void listen() noexcept { listening_ = true; }
  /// Begins to connect, if idle.
  void start(TimePoint now, Actions& out);
  /// A command to send in turn. Begins to connect, if idle. With `only_fit` it fails (not_written)
  /// as soon as it is known that what is there cannot be used, instead of waiting for something
  /// better.
  void submit(TimePoint now, WaiterToken waiter, Command command, TimePoint deadline,
              std::uint64_t only_epoch, Actions& out, bool only_fit = false);
  /// Ends the connection of `epoch` once what was written is answered, and connects anew.
  void recycle(TimePoint now, std::uint64_t epoch, std::string_view why, Actions& out);
  /// The server may be no master any more. A usable connection ends as by `recycle`, or at once; a
  /// set-up under way, which may have asked too early, begins anew. The pauses do not shrink by it.
  void renew(TimePoint now, std::string_view why, bool at_once, Actions& out);
  /// What it is for is elsewhere: whatever there is of a connection ends at once, and the next
  /// attempt begins.
  void relocate(TimePoint now, std::string_view why, Actions& out);
  /// Ends a pause that follows from what was found there: it may be something else by now.
  void try_now(TimePoint now);
  /// Why set-ups are not answered here, found out in another way: told from now on, and what waits
  /// with `only_fit` fails.
  void explain_silence(std::string why, Actions& out);
  /// The same, before a set-up that may go unanswered for that reason.
  void presume_silence(std::string why) { silence_ = std::move(why); }
  /// Ends the connection of `epoch` at once, and connects anew.
  void drop(TimePoint now, std::uint64_t epoch, std::string_view why, Actions& out);
  /// Unless there is a usable connection: what waits for one fails (not_written), so that it can go
  /// elsewhere.
  void give_back(std::string_view why, Actions& out);
  /// Closes at once, for good, because what is there is not to be used any more: what was written
  /// is lost, what was not fails (not_written).
  void abandon(TimePoint now, std::string_view why, Actions& out);
  /// Takes nothing new; closes when everything is answered, or at `deadline`.
  void drain(TimePoint now, TimePoint deadline, Actions& out);
  /// Closes at once, for good.
  void abort(TimePoint now, Actions& out);

  // --- what happened ---

  /// `attempt` as in the resolve action; a late answer to an earlier one is ignored.
  void on_resolved(TimePoint now, std::int64_t attempt, Resolver::Result result, Actions& out);
  /// The transport has begun a TLS handshake.
  void on_securing(TimePoint now);
  void on_connected(TimePoint now, Actions& out);
  /// Some bytes came (before their replies are told).
  void on_heard(TimePoint now) noexcept {
    last_heard_ = now;
    setup_.on_heard();
  }
  void on_reply(TimePoint now, Reply reply, Actions& out);
  void on_protocol_error(TimePoint now, std::string_view why, Actions& out);
  /// The first bytes that came are no RESP: `why` tells what is there.
  void on_no_redis(TimePoint now, std::string why, Actions& out);
  /// The transport's on_lost.
  void on_lost(TimePoint now, std::string_view why, Actions& out);
  /// The transport's on_untrusted.
  void on_untrusted(TimePoint now, std::string_view why, Actions& out);
  /// The time that `next_wake` named has come; harmless at any other time.
  void on_timer(TimePoint now, Actions& out);

  // --- writing ---

  /// What to write next, at most about `max_bytes` and `max_buffers`, to the end of `buffers`.
  /// Returns how many bytes of the first are written already.
  [[nodiscard]] std::size_t gather(std::vector<SharedBytes>& buffers, std::size_t max_buffers,
                                   std::size_t max_bytes) const;
  /// The transport took that many of the bytes that `gather` gave.
  void on_written(std::size_t bytes);
  [[nodiscard]] bool wants_write() const noexcept;

  // --- how things are ---

  /// When `on_timer` should be called; nothing to wait for: TimePoint::max().
  [[nodiscard]] TimePoint next_wake() const noexcept;
  [[nodiscard]] LaneState state() const noexcept { return state_; }
  [[nodiscard]] bool ready() const noexcept { return state_ == LaneState::ready && !recycling_; }
  [[nodiscard]] std::uint64_t epoch() const noexcept { return epoch_; }
  [[nodiscard]] const std::string& last_error() const noexcept { return last_error_; }
  /// The last attempt found something that cannot be used, which last_error() names: no master, no
  /// Redis server, a port for TLS.
  [[nodiscard]] bool unfit() const noexcept { return unfit_; }
  /// The set-up's questions for the role that were refused: ROLE, then INFO replication.
  [[nodiscard]] int role_refusals() const noexcept { return setup_.role_refusals(); }
  /// That is so because there is no TLS connection that may be used.
  [[nodiscard]] bool untrusted() const noexcept { return untrusted_; }
  /// Nothing has been answered in the set-up under way.
  [[nodiscard]] bool setup_unanswered() const noexcept {
    return state_ == LaneState::setting_up && setup_.unanswered();
  }
  /// Commands written, or partly written, and not answered; abandoned ones included.
  [[nodiscard]] std::size_t in_flight() const noexcept { return commands_.in_flight(); }
  [[nodiscard]] std::size_t unsent() const noexcept { return commands_.unsent(); }
  [[nodiscard]] std::size_t queued_bytes() const noexcept { return commands_.queued_bytes(); }

 private:
  /// There is a connection with commands on it: usable, or being closed in good order.
  [[nodiscard]] bool connected() const noexcept {
    return state_ == LaneState::ready || state_ == LaneState::draining;
  }

  void begin_attempt(TimePoint now, Actions& out);
  void connect_next(TimePoint now, Actions& out);
  void on_setup_reply(TimePoint now, const Reply& reply, Actions& out);
  void become_ready(TimePoint now, Actions& out);
  enum class Found : std::uint8_t { something, nothing_fit, nobody_trusted };
  void attempt_failed(TimePoint now, std::string why, Actions& out, Found found = Found::something,
                      std::string master = {});
  void setup_failed(TimePoint now, std::string why, Actions& out, Found found = Found::something,
                    std::string master = {});
  void setup_refused(TimePoint now, SetupVerdict verdict, Actions& out);
  void fail_only_fit(Actions& out);
  [[nodiscard]] Failure unfit_failure() const noexcept {
    return untrusted_ ? Failure::untrusted : Failure::not_written;
  }
  void try_next_address(TimePoint now, const std::string& why, Actions& out, Found found);
  void end_connection(TimePoint now, std::string_view why, Actions& out, bool by_peer = false);
  void finish_if_answered(TimePoint now, Actions& out);
  void close_for_good(Actions& out);
  [[nodiscard]] std::optional<TimePoint> stalled_at() const noexcept;
  [[nodiscard]] TimePoint silent_at() const noexcept;

  const ConnectionOptions options_;
  const std::optional<Address> local_;
  const std::shared_ptr<const SetupPlan> plan_;
  Rng& rng_;
  runtime::Backoff backoff_;

  bool listening_ = false;
  LaneState state_ = LaneState::idle;
  std::uint64_t epoch_ = 0;
  std::string last_error_;
  std::optional<TimePoint> last_heard_;
  TimePoint asked_at_{};     // when the first of the commands that there are was submitted
  TimePoint silent_told_{};  // the last time
  CommandQueue commands_;

  // An attempt to connect.
  std::int64_t attempt_ = 0;
  std::vector<Address> addresses_;
  std::size_t address_ = 0;        // the one being tried
  std::size_t first_address_ = 0;  // where the next attempt begins
  TimePoint attempt_since_{};      // of resolving and connecting, then of the handshake, the set-up
  TimePoint attempt_deadline_{};   // the same
  TimePoint address_deadline_{};
  TimePoint retry_at_{};
  bool securing_ = false;  // the transport is in a TLS handshake
  TimePoint ask_at_{};     // then: when to find out what is there, if it goes on for so long
  SetupRun setup_;         // of the present connection, or the last one
  bool unfit_ = false;     // see unfit()
  bool untrusted_ = false;
  std::string silence_;  // see explain_silence()
  std::string refused_code_;

  // A usable connection.
  TimePoint ready_since_{};
  bool useful_ = false;     // a command was answered on it
  bool recycling_ = false;  // it ends once what was written is answered
  bool renewed_ = false;    // ended by renew()
  std::string why_recycled_;
  TimePoint drain_deadline_{};
};

}  // namespace mx_rmq::redis
