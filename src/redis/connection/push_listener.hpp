#pragma once

#include <cstdint>

#include "redis/wire/reply.hpp"

namespace mx_rmq::redis {

/// What a connection in subscribe mode tells its owner, in the order in which it happened. On the
/// loop thread, perhaps inside a C callback: to be noted, not acted upon.
class PushListener {
 public:
  /// The connection is usable, and nothing is subscribed on it.
  virtual void on_usable(std::uint64_t epoch) noexcept = 0;
  /// The answer to the oldest SUBSCRIBE (or SSUBSCRIBE) of this epoch.
  virtual void on_answer(Reply reply) noexcept = 0;
  /// The server sent this unasked: a message, or that it has unsubscribed us.
  virtual void on_push(Reply reply) noexcept = 0;
  /// The usable connection has ended.
  virtual void on_ended() noexcept = 0;

 protected:
  ~PushListener() = default;
};

}  // namespace mx_rmq::redis
