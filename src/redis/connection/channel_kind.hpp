#pragma once

#include <cstdint>

namespace mx_rmq::redis {

/// How a channel is published to. In a Cluster a sharded channel belongs to the slot of its hash
/// tag; a plain one is heard on every node.
enum class ChannelKind : std::uint8_t {
  plain,   ///< SUBSCRIBE, PUBLISH
  sharded  ///< SSUBSCRIBE, SPUBLISH: a Cluster of Redis 7 or later
};

}  // namespace mx_rmq::redis
