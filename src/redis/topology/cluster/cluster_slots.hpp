#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "api/host_port.hpp"
#include "redis/wire/reply.hpp"

namespace mx_rmq::redis {

/// The slots from `first` to `last` are served by one master.
struct SlotRange {
  int first = 0;
  int last = 0;
  /// Nothing: there is one, and nobody knows its address.
  std::optional<api::HostPort> master;
  bool by_redis_7 = false;  ///< told with further facts of the node, as from version 7 on
};

/// What CLUSTER SLOTS was answered by the node at `asked`, whose host stands for one that the
/// answer leaves out. Ranges that make no sense are left out. ProtocolError for another shape.
[[nodiscard]] std::vector<SlotRange> read_cluster_slots(const Reply& reply,
                                                        const api::HostPort& asked);

/// A reply MOVED or ASK.
struct Redirect {
  bool ask = false;  ///< for this command only; the slot is on the move
  int slot = 0;
  std::optional<api::HostPort> to;  ///< nothing: nobody knows its address
};
/// What an error reply of the node at `asked` says of where to go; nothing if it says nothing.
[[nodiscard]] std::optional<Redirect> read_redirect(std::string_view error_text,
                                                    const api::HostPort& asked);

}  // namespace mx_rmq::redis
