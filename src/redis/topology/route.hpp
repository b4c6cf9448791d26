#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "mx_rmq/task.hpp"
#include "redis/connection/channel_kind.hpp"
#include "redis/connection/seams.hpp"
#include "redis/connection/server_clock.hpp"
#include "redis/wire/command.hpp"
#include "redis/wire/reply.hpp"
#include "runtime/event_loop.hpp"

namespace mx_rmq::redis {

/// What serves a slot now: a lane of the node that the slot is at, and that node's clock. Whoever
/// sends commands for a slot holds its route, and nobody above knows what kind of Redis there is.
///
/// The epoch of a route grows whenever there is a new connection or another node. Whoever has
/// something to put in order then is told (on_epoch), and binds to the epoch (`only_epoch`) what
/// must not come before that.
///
/// Loop thread only; tasks resume there. Commands are written in the order of the calls of `send`
/// (of their start: a Task is lazy), those of one loop turn in one write. A route lives as long as
/// its client.
class Route {
 public:
  using OnEpoch = std::function<void(std::uint64_t epoch)>;

  /// Waits for a usable connection up to `deadline`, writes, awaits the reply. An error reply comes
  /// back as a Reply of kind error. Never replays.
  ///
  /// Throws, with nothing written: ConnectionError (the connection ended first, or the queue of the
  /// connection is full), TimeoutError (not written by the deadline), ServerError (credentials or
  /// rights are refused at set-up: at once, and again at each call until a slow retry succeeds, so
  /// the caller must pause), ShutdownError (closed). Throws OutcomeUnknown when any byte was
  /// written and no reply came by the deadline or the connection ended.
  ///
  /// With `only_epoch`, ConnectionError unless it is written in that epoch.
  virtual Task<Reply> send(Command command, TimePoint deadline, std::uint64_t only_epoch = 0) = 0;

  /// Runs a script and applies the table of error replies: loads it and sends again when the server
  /// does not know it; waits out what passes by itself, with jittered pauses, to the deadline;
  /// connects anew when the node's role changed. Returns only what is no error. Throws as `send`
  /// does, and ServerError for a refusal (the code kept; it did not happen; of several, the last
  /// one) and ScriptError, an OutcomeUnknown, with Redis's text for an error raised inside the
  /// script. `script` must outlive the call.
  virtual Task<Reply> eval(const lua::Script& script, Command evalsha, TimePoint deadline,
                           std::uint64_t only_epoch = 0) = 0;

  /// The same with `behind` behind the script, in the same write and on the same connection: each
  /// time that the script is sent. `*last`, which must outlive the call, gets what the last of them
  /// was answered, an error too. OutcomeUnknown also if the script was answered and that was not.
  virtual Task<Reply> eval_with(const lua::Script& script, Command evalsha,
                                std::vector<Command> behind, Reply* last, TimePoint deadline) = 0;

  /// Connects if it has not begun to; otherwise the first command does. For who waits for `ready`
  /// before sending anything.
  virtual void connect() = 0;
  /// Closes the connection of that epoch once what was written to it has been answered, and
  /// connects anew. Nothing if the epoch has passed already.
  virtual void reconnect(std::uint64_t epoch, std::string why) = 0;

  /// 0 before the first usable connection.
  [[nodiscard]] virtual std::uint64_t epoch() const noexcept = 0;
  [[nodiscard]] virtual bool ready() const noexcept = 0;
  /// Why a connection was last lost, refused or not made; empty if never.
  [[nodiscard]] virtual std::string last_error() const = 0;
  /// Calls back from the ready list (never inside a C callback) at each new epoch, before commands
  /// that wait for a connection are written. Returns a number for `remove_on_epoch`, after which it
  /// is not called any more.
  virtual std::uint64_t on_epoch(OnEpoch callback) = 0;
  virtual void remove_on_epoch(std::uint64_t id) noexcept = 0;

  /// The present node's clock. Not to be kept: another node has another one.
  [[nodiscard]] virtual ServerClock& clock() const noexcept = 0;
  /// How whoever listens at the present node is told: what scripts must publish with.
  [[nodiscard]] virtual ChannelKind channels() const noexcept = 0;
  [[nodiscard]] virtual runtime::EventLoop& loop() const noexcept = 0;
  /// The client's randomness.
  [[nodiscard]] virtual Rng& rng() const noexcept = 0;

 protected:
  ~Route() = default;
};

}  // namespace mx_rmq::redis
