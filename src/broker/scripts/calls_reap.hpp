#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "broker/scripts/script_call.hpp"

/// What any consumer does for the others: taking over from the dead, sweeping the lists.
namespace mx_rmq::broker {

/// Takes over messages of a consumer whose lease ran out.
struct Reap {
  static constexpr const lua::Script& script = lua::reap;
  static constexpr Resend resend = Resend::never;

  struct Args {
    std::string_view victim;  ///< a consumer that was reported as lapsed
    int most = 1000;
    std::size_t bytes = 0;                       ///< one message is always allowed
    std::chrono::milliseconds longest_lease{0};  ///< that anybody may have
    std::int64_t dead_cap = 0;                   ///< of the dead letters; 0 = none
  };
  enum class State : std::uint8_t {
    taken,  ///< messages were taken over; the fields below count
    gone,   ///< not registered
    alive   ///< its lease goes on
  };
  struct Reply {
    std::int64_t now = 0;
    State state = State::gone;
    std::int64_t left = 0;  ///< still to take: call again
    std::int64_t recovered = 0;
    std::int64_t dead = 0;
    std::vector<std::string> dropped;  ///< dead letters that the cap dropped
  };

  [[nodiscard]] static redis::Command encode(const TopicKeys& keys, const Args& args,
                                             redis::ChannelKind channels);
  [[nodiscard]] static Reply decode(redis::Reply&& reply);
};

/// Takes expired messages from the heads of the lists, heals the idle ones, tells of leases that
/// ran out.
struct Sweep {
  static constexpr const lua::Script& script = lua::sweep;
  static constexpr Resend resend = Resend::never;

  struct Args {
    std::string_view consumer;
    std::uint64_t number = 0;  ///< of this sweep, counted by the consumer
    int most = 1000;
    std::size_t bytes = 0;  ///< one message is always allowed
    bool drop = false;      ///< expired messages are dropped instead of dead-lettered
    std::chrono::milliseconds longest_lease{0};
    std::int64_t dead_cap = 0;  ///< 0 = none
  };
  struct Reply {
    std::int64_t now = 0;
    std::int64_t taken = 0;
    bool more = false;      ///< an expired one may be left: call again
    std::string lapsed;     ///< a consumer whose lease ran out; empty = none
    bool suspects = false;  ///< there are suspects
    bool waits = false;     ///< something is to be claimed
    bool listed = false;    ///< the consumer is, as idle or as told of work
    /// The version of what is set for the topic; 0 = nothing is, below 0 = it cannot be read.
    std::int64_t settings = 0;
    std::vector<std::string> dropped;
  };

  [[nodiscard]] static redis::Command encode(const TopicKeys& keys, const Args& args,
                                             redis::ChannelKind channels);
  [[nodiscard]] static Reply decode(redis::Reply&& reply);
};

}  // namespace mx_rmq::broker
