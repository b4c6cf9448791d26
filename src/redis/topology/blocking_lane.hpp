#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "mx_rmq/task.hpp"
#include "redis/wire/command.hpp"
#include "redis/wire/reply.hpp"
#include "runtime/mono_clock.hpp"

namespace mx_rmq::redis {

class Connection;
class Node;
using runtime::TimePoint;

/// A connection of its own for commands that block at the server (BZPOPMIN): one at a time. Loop
/// thread only. It must not be destroyed while a `wait` is under way.
class BlockingLane {
 public:
  using OnReady = std::function<void(std::uint64_t epoch)>;

  /// A further connection to `node`, which must outlive it.
  BlockingLane(std::shared_ptr<Connection> connection, Node& node);
  ~BlockingLane();
  BlockingLane(const BlockingLane&) = delete;
  BlockingLane& operator=(const BlockingLane&) = delete;

  /// Sends `command` and awaits its reply, nil when the server's own timeout ran out. `deadline`
  /// lies beyond that timeout. Errors as Route::send; after OutcomeUnknown the connection is closed
  /// and made anew, so that the next wait does not queue behind this one. One wait at a time:
  /// std::logic_error otherwise.
  Task<Reply> wait(Command command, TimePoint deadline);

  /// Ends the wait under way, by CLIENT UNBLOCK sent over a lane of the node: the wait then returns
  /// nil. True if it was blocked. False: nothing was under way, or the command was not blocked
  /// (yet); whoever must end a wait repeats this until the wait has ended. A wait that has not been
  /// written yet is not touched. Where the server gave no client id (a right is missing), the
  /// connection is dropped instead and the wait ends with OutcomeUnknown. Throws as Route::send.
  Task<bool> interrupt(TimePoint deadline);

  [[nodiscard]] std::uint64_t epoch() const noexcept;
  [[nodiscard]] std::string last_error() const;
  /// Calls back, as Route::on_epoch, as long as this lives.
  void on_ready(OnReady callback);

 private:
  std::shared_ptr<Connection> connection_;
  Node& node_;
  bool waiting_ = false;
};

}  // namespace mx_rmq::redis
