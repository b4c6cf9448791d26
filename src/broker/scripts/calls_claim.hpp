#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "broker/scripts/script_call.hpp"

/// Taking messages. Neither call is ever sent twice: after OutcomeUnknown the consumer's next tend
/// gives back what the call may have taken.
namespace mx_rmq::broker {

/// Takes what is ready, up to a number of messages, for one consumer.
struct Claim {
  static constexpr const lua::Script& script = lua::claim;
  static constexpr Resend resend = Resend::never;

  struct Args {
    std::string_view consumer;
    std::uint64_t number = 0;  ///< of this claim; never used twice by one consumer
    int most = 0;              ///< messages; 0 = promote, wake, hand on the alarm only
    std::chrono::milliseconds lease{0};
    int promote = 0;             ///< due delayed messages, at most
    bool fresh = false;          ///< the consumer holds and settles nothing
    std::size_t bytes = 0;       ///< at most (one message is always allowed)
    int slice = 16;              ///< first slice of a read; it grows
    std::int64_t own_alarm = 0;  ///< due ms of the alarm this consumer keeps; 0 = none
    bool list = false;           ///< as idle, if nothing is left
    bool listed = false;         ///< it may be
  };
  struct Reply {
    bool lost = false;  ///< reaped, or gone though it holds something: the rest is empty but `now`
    std::int64_t now = 0;
    std::int64_t alarm = -1;  ///< due ms of the alarm this consumer keeps from now on; -1 = none
    std::string lapsed;       ///< a consumer whose lease ran out; empty = none
    bool suspects = false;    ///< there are suspects
    bool more = false;        ///< something is left in a list
    bool listed = false;      ///< as idle
    /// The version of what is set for the topic; 0 = nothing is, below 0 = it cannot be read.
    std::int64_t settings = 0;
    std::vector<std::string> envelopes;  ///< the i-th (from 0) has the tag {number, i + 1}
  };

  [[nodiscard]] static redis::Command encode(const TopicKeys& keys, const Args& args,
                                             redis::ChannelKind channels);
  [[nodiscard]] static Reply decode(redis::Reply&& reply);
};

/// Takes one suspect, for a consumer of a process that holds nothing else.
struct Suspect {
  static constexpr const lua::Script& script = lua::suspect;
  static constexpr Resend resend = Resend::never;

  struct Args {
    std::string_view consumer;
    std::uint64_t number = 0;  ///< of this claim
    std::chrono::milliseconds lease{0};
    bool fresh = false;
  };
  struct Reply {
    bool lost = false;
    std::int64_t now = 0;
    bool more = false;  ///< there are further suspects
    /// The version of what is set for the topic; 0 = nothing is, below 0 = it cannot be read.
    std::int64_t settings = 0;
    std::vector<std::string> envelopes;  ///< none or one, with the tag {number, 1}
  };

  [[nodiscard]] static redis::Command encode(const TopicKeys& keys, const Args& args);
  [[nodiscard]] static Reply decode(redis::Reply&& reply);
};

}  // namespace mx_rmq::broker
