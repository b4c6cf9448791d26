#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "mx_rmq/task.hpp"
#include "redis/connection/connection_fsm.hpp"
#include "redis/wire/command.hpp"
#include "redis/wire/reply.hpp"
#include "runtime/mono_clock.hpp"

namespace mx_rmq::redis {

class Connection;
class Rng;

/// One slot of the pool: keeps one pipelined connection alive, connecting again by itself. Loop
/// thread only; tasks resume on the loop thread. Commands are written in the order of the calls of
/// `send` (of their start: a Task is lazy), those of one loop turn in one write.
class Lane {
 public:
  using OnReady = std::function<void(std::uint64_t epoch)>;

  explicit Lane(std::shared_ptr<Connection> connection);
  ~Lane();
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  /// Waits for a usable connection up to `deadline`, writes, awaits the reply. An error reply comes
  /// back as a Reply of kind error. Never replays.
  ///
  /// Throws, with nothing written: ConnectionError (the connection ended first, or the queue of the
  /// connection is full), TimeoutError (not written by the deadline), ServerError (credentials or
  /// rights are refused at set-up: at once, and again at each call until a slow retry succeeds, so
  /// the caller must pause), ShutdownError (closed). Throws OutcomeUnknown when any byte was
  /// written and no reply came by the deadline or the connection ended.
  ///
  /// With `only_epoch`, ConnectionError unless it is written to the connection of that epoch.
  Task<Reply> send(Command command, TimePoint deadline, std::uint64_t only_epoch = 0);

  /// Runs a script and applies the table of error replies: loads it and sends again when the server
  /// does not know it; waits out what passes by itself, with jittered pauses, to the deadline;
  /// connects anew when the node's role changed. Returns only what is no error. Throws as `send`
  /// does, and ServerError for a refusal (the code kept; it did not happen; of several, the last one)
  /// and ScriptError, an OutcomeUnknown, with Redis's text for an error raised inside the script.
  /// `script` must outlive the call.
  Task<Reply> eval(const lua::Script& script, Command evalsha, TimePoint deadline,
                   std::uint64_t only_epoch = 0);

  /// Connects if it has not begun to; otherwise the first command does. For who waits for `ready`
  /// before sending anything.
  void connect();

  /// 0 before the first usable connection; one more each time there is a new one.
  [[nodiscard]] std::uint64_t epoch() const noexcept;
  [[nodiscard]] bool ready() const noexcept;
  [[nodiscard]] LaneState state() const noexcept;
  /// Why the connection was last lost or refused; empty if never.
  [[nodiscard]] std::string last_error() const;
  /// When the last byte came from the server; nothing before the first.
  [[nodiscard]] std::optional<TimePoint> last_heard() const noexcept;

  /// The client's randomness.
  [[nodiscard]] Rng& rng() const noexcept;

  /// Calls back from the ready list (never inside a C callback) at each new epoch, before commands
  /// that wait for a connection are written. Returns a number for `remove_on_ready`, after which it
  /// is not called any more.
  std::uint64_t on_ready(OnReady callback);
  void remove_on_ready(std::uint64_t id) noexcept;

  /// Closes the connection of that epoch once what was written to it has been answered, and
  /// connects anew. Nothing if the epoch has passed already.
  void reconnect(std::uint64_t epoch, std::string why);

 private:
  friend class Client;
  std::shared_ptr<Connection> connection_;
};

}  // namespace mx_rmq::redis
