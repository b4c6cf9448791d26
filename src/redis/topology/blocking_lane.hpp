#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "redis/topology/lane.hpp"

namespace mx_rmq::redis {

/// A connection of its own for commands that block at the server (BZPOPMIN): one at a time. Loop
/// thread only. It must not be destroyed while a `wait` is under way.
class BlockingLane {
 public:
  explicit BlockingLane(std::shared_ptr<Connection> connection);
  ~BlockingLane();
  BlockingLane(const BlockingLane&) = delete;
  BlockingLane& operator=(const BlockingLane&) = delete;

  /// Sends `command` and awaits its reply, nil when the server's own timeout ran out. `deadline`
  /// lies beyond that timeout. Errors as Lane::send; after OutcomeUnknown the connection is closed
  /// and made anew, so that the next wait does not queue behind this one. One wait at a time:
  /// std::logic_error otherwise.
  Task<Reply> wait(Command command, TimePoint deadline);

  /// Ends the wait under way, by CLIENT UNBLOCK sent over `via`: the wait then returns nil. True if
  /// it was blocked. False: nothing was under way, or the command was not blocked (yet); whoever
  /// must end a wait repeats this until the wait has ended. A wait that has not been written yet is
  /// not touched. Where the server gave no client id (a right is missing), the connection is
  /// dropped instead and the wait ends with OutcomeUnknown. Throws as Lane::send. `via` must outlive the call.
  Task<bool> interrupt(Lane& via, TimePoint deadline);

  [[nodiscard]] bool waiting() const noexcept;
  [[nodiscard]] std::uint64_t epoch() const noexcept;
  [[nodiscard]] bool ready() const noexcept;
  [[nodiscard]] LaneState state() const noexcept;
  [[nodiscard]] std::string last_error() const;
  std::uint64_t on_ready(Lane::OnReady callback);
  void remove_on_ready(std::uint64_t id) noexcept;

 private:
  std::shared_ptr<Connection> connection_;
  bool waiting_ = false;
};

}  // namespace mx_rmq::redis
