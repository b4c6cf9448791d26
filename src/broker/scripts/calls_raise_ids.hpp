#pragma once

#include <cstdint>

#include "broker/scripts/script_call.hpp"

namespace mx_rmq::broker {

/// Has ids and keys go by more partitions, if none that went by fewer can be in work any more.
struct RaiseIds {
  static constexpr const lua::Script& script = lua::raise_ids;
  static constexpr Resend resend = Resend::until_deadline;

  struct Args {
    std::int64_t version = 0;  ///< that the settings must have
    /// By which ids and keys go from now on. 0: at a partition that is not the first one, none of
    /// that version is taken any more.
    int ids_active = 0;
    int active = 0;       ///< to which is produced from now on; 0: as before
    bool unused = false;  ///< only if nothing is there of the topic
  };
  enum class State : std::uint8_t {
    done,
    used,  ///< some may be in work yet, or the topic has been used: nothing was changed
    other  ///< there is another version, perhaps as an earlier copy of the call was executed
  };
  struct Reply {
    std::int64_t now = 0;
    State state = State::other;
  };

  [[nodiscard]] static redis::Command encode(const TopicKeys& keys, const Args& args,
                                             redis::ChannelKind channels);
  [[nodiscard]] static Reply decode(redis::Reply&& reply);
};

}  // namespace mx_rmq::broker
