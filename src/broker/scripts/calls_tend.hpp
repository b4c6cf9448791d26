#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "broker/scripts/script_call.hpp"

/// A consumer's own upkeep: lease, wake-ups, leaving.
namespace mx_rmq::broker {

/// Renews the lease, and gives back what the consumer holds without knowing.
struct Tend {
  static constexpr const lua::Script& script = lua::tend;
  static constexpr Resend resend = Resend::never;

  struct Args {
    std::string_view consumer;
    std::chrono::milliseconds lease{0};
    std::uint64_t last_claim = 0;  ///< number of the last claim that was answered or given up
    int most = 1000;               ///< messages given back, at most
    std::size_t bytes = 0;         ///< given back, at most (one message is always allowed)
    std::span<const Tag> tags;     ///< every one held or being settled
  };
  struct Reply {
    bool lost = false;
    std::int64_t now = 0;
    bool more = false;         ///< more is to be given back: call again
    std::vector<Tag> missing;  ///< named tags that are not there
  };

  [[nodiscard]] static redis::Command encode(const TopicKeys& keys, const Args& args,
                                             redis::ChannelKind channels);
  [[nodiscard]] static Reply decode(redis::Reply&& reply);
};

/// A consumer goes.
struct Leave {
  static constexpr const lua::Script& script = lua::leave;
  static constexpr Resend resend = Resend::until_deadline;

  struct Args {
    std::string_view consumer;
    std::int64_t alarm = 0;  ///< due ms of the alarm it keeps; 0 = none, -1 = it does not know
  };
  using Reply = std::int64_t;  ///< how many messages it still holds: if any, its entry stayed

  [[nodiscard]] static redis::Command encode(const TopicKeys& keys, const Args& args,
                                             redis::ChannelKind channels);
  [[nodiscard]] static Reply decode(redis::Reply&& reply);
};

/// A consumer will not claim any more: nobody is to wake it.
struct Unlist {
  static constexpr const lua::Script& script = lua::unlist;
  static constexpr Resend resend = Resend::never;

  struct Args {
    std::string_view consumer;
  };
  using Reply = bool;  ///< whether it was listed

  [[nodiscard]] static redis::Command encode(const TopicKeys& keys, const Args& args,
                                             redis::ChannelKind channels);
  [[nodiscard]] static Reply decode(redis::Reply&& reply);
};

/// A consumer was woken and cannot claim now: others are woken in its place.
struct Pass {
  static constexpr const lua::Script& script = lua::pass;
  static constexpr Resend resend = Resend::never;

  struct Args {
    std::string_view consumer;
    int hops = 1;  ///< how often the wake-up was passed on, this time included
  };
  using Reply = std::int64_t;  ///< how many were told

  [[nodiscard]] static redis::Command encode(const TopicKeys& keys, const Args& args,
                                             redis::ChannelKind channels);
  [[nodiscard]] static Reply decode(redis::Reply&& reply);
};

/// What is published to an idle consumer: how often it was passed on, or nothing if it is no
/// wake-up.
[[nodiscard]] std::optional<int> read_wake_up(std::string_view payload);

}  // namespace mx_rmq::broker
