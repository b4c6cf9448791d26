#pragma once

#include <cstdint>
#include <string>

#include "broker/scripts/script_call.hpp"

namespace mx_rmq::broker {

/// Removes what is left of a topic that is empty.
struct Forget {
  static constexpr const lua::Script& script = lua::forget;
  static constexpr Resend resend = Resend::until_deadline;

  struct Args {};
  enum class State : std::uint8_t {
    gone,
    /// A message is ready, delayed or dead, or a living consumer may hold some: nothing was
    /// changed.
    used,
    lapsed  ///< only consumers whose lease ran out are in the way: nothing was changed
  };
  struct Reply {
    std::int64_t now = 0;
    State state = State::used;
    std::string consumer;  ///< lapsed: one to be reaped
  };

  [[nodiscard]] static redis::Command encode(const TopicKeys& keys, const Args& args,
                                             redis::ChannelKind channels);
  [[nodiscard]] static Reply decode(redis::Reply&& reply);
};

}  // namespace mx_rmq::broker
