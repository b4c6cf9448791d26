#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "redis/connection/channel_kind.hpp"

namespace mx_rmq::redis {

/// One channel that somebody listens to. Destroyed = unsubscribed: no event comes afterwards. It
/// may be destroyed in an event. Loop thread only.
class Subscription {
 public:
  /// Called from the ready list, never inside a C callback, never inside `subscribe`.
  struct Events {
    /// Subscribed, and what is published over the node's lane was heard here: a new epoch begins.
    std::function<void(std::uint64_t epoch)> up;
    /// The epoch is over: the connection ended, the channel went to another node, what was
    /// published was not heard. `up` comes again by itself.
    std::function<void()> down;
    /// May come before `up` and after `down`, too: what is heard is heard.
    std::function<void(std::string_view payload)> message;
  };

  virtual ~Subscription() = default;
  /// Of the present epoch; 0 while there is none. Never used twice by one client.
  [[nodiscard]] virtual std::uint64_t epoch() const noexcept = 0;
};

}  // namespace mx_rmq::redis
