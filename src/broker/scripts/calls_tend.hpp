#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/scripts/script_call.hpp"

/// A consumer's own upkeep: lease, marker, leaving.
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

  [[nodiscard]] static redis::Command encode(const TopicKeys& keys, const Args& args);
  [[nodiscard]] static Reply decode(redis::Reply&& reply);
};

/// A consumer goes.
struct Leave {
  static constexpr const lua::Script& script = lua::leave;
  static constexpr Resend resend = Resend::until_deadline;

  struct Args {
    std::string_view consumer;
    std::int64_t alarm = 0;  ///< due ms of the alarm it keeps; 0 = none, -1 = it does not know
    bool marker = false;     ///< it took the marker and has not claimed
  };
  using Reply = std::int64_t;  ///< how many messages it still holds: if any, its entry stayed

  [[nodiscard]] static redis::Command encode(const TopicKeys& keys, const Args& args);
  [[nodiscard]] static Reply decode(redis::Reply&& reply);
};

/// Arms the marker that wakes one idle consumer.
struct Arm {
  static constexpr const lua::Script& script = lua::arm;
  static constexpr Resend resend = Resend::until_deadline;

  struct Args {};
  struct Reply {};

  [[nodiscard]] static redis::Command encode(const TopicKeys& keys, const Args& args);
  [[nodiscard]] static Reply decode(redis::Reply&& reply);
};

/// Waits for the marker of any of these topics; Redis serves the first that has one. Whole seconds:
/// the floor is Redis 5. Not a script: it goes over a BlockingLane. `topics` not empty.
[[nodiscard]] redis::Command make_wait(std::span<const TopicKeys* const> topics,
                                       std::chrono::seconds timeout);
/// The key whose marker was taken (TopicKeys::wake of that topic), or nothing when the time ran
/// out.
[[nodiscard]] std::optional<std::string> read_wait(redis::Reply&& reply);

}  // namespace mx_rmq::broker
