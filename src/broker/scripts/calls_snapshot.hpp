#pragma once

#include <cstdint>

#include "broker/scripts/script_call.hpp"

namespace mx_rmq::broker {

/// Notes how a topic is, for its history, unless somebody has in this minute.
struct Snapshot {
  static constexpr const lua::Script& script = lua::snapshot;
  static constexpr Resend resend = Resend::if_not_executed;

  struct Args {};
  struct Reply {
    std::int64_t now = 0;
    std::int64_t written = 0;  ///< entries
  };

  [[nodiscard]] static redis::Command encode(const TopicKeys& keys, const Args& args);
  [[nodiscard]] static Reply decode(redis::Reply&& reply);
};

}  // namespace mx_rmq::broker
