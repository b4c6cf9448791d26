#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "broker/data/keys.hpp"
#include "redis/wire/command.hpp"
#include "redis/wire/reply.hpp"

/// Taking messages. Each script has a make_ (arguments to bytes) and a read_ (reply to values, throwing
/// ProtocolError for a reply of another shape). Pure.
namespace mx_rmq::broker {

struct ClaimArgs {
  std::string_view consumer;
  std::uint64_t number = 0;  ///< of this claim; never used twice by one consumer
  int most = 0;              ///< messages; 0 = promote, arm, hand on the alarm only
  std::chrono::milliseconds lease{0};
  int promote = 0;             ///< due delayed messages, at most
  bool fresh = false;          ///< the consumer holds and settles nothing
  std::size_t bytes = 0;       ///< at most (one message is always allowed)
  int slice = 16;              ///< first slice of a read; it grows
  std::int64_t own_alarm = 0;  ///< due ms of the alarm this consumer keeps; 0 = none
};

struct ClaimResult {
  bool lost = false;  ///< reaped, or gone though it holds something: the rest is empty but `now`
  std::int64_t now = 0;
  std::int64_t alarm = -1;  ///< due ms of the alarm this consumer keeps from now on; -1 = none
  std::string lapsed;       ///< a consumer whose lease ran out; empty = none
  bool suspects = false;    ///< suspects wait
  bool more = false;        ///< something is left in a list
  std::vector<std::string> envelopes;  ///< the i-th (from 0) has the tag {number, i + 1}
};

[[nodiscard]] redis::Command make_claim(const TopicKeys& keys, const ClaimArgs& args);
[[nodiscard]] ClaimResult read_claim(redis::Reply&& reply);

struct SuspectArgs {
  std::string_view consumer;
  std::uint64_t number = 0;  ///< of this claim
  std::chrono::milliseconds lease{0};
  bool fresh = false;
};

struct SuspectResult {
  bool lost = false;
  std::int64_t now = 0;
  bool more = false;                   ///< further suspects wait
  std::vector<std::string> envelopes;  ///< none or one, with the tag {number, 1}
};

[[nodiscard]] redis::Command make_suspect(const TopicKeys& keys, const SuspectArgs& args);
[[nodiscard]] SuspectResult read_suspect(redis::Reply&& reply);

}  // namespace mx_rmq::broker
