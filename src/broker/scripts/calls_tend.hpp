#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/data/keys.hpp"
#include "broker/data/tag.hpp"
#include "redis/wire/command.hpp"
#include "redis/wire/reply.hpp"

/// A consumer's own upkeep: lease, marker, leaving. Pure.
namespace mx_rmq::broker {

struct TendArgs {
  std::string_view consumer;
  std::chrono::milliseconds lease{0};
  std::uint64_t last_claim = 0;  ///< number of the last claim that was answered or given up
  int most = 1000;               ///< messages given back, at most
  std::size_t bytes = 0;         ///< given back, at most (one message is always allowed)
  std::span<const Tag> tags;     ///< every one held or being settled
};
struct TendResult {
  bool lost = false;
  std::int64_t now = 0;
  bool more = false;         ///< more is to be given back: call again
  std::vector<Tag> missing;  ///< named tags that are not there
};
[[nodiscard]] redis::Command make_tend(const TopicKeys& keys, const TendArgs& args);
[[nodiscard]] TendResult read_tend(redis::Reply&& reply);

struct LeaveArgs {
  std::string_view consumer;
  std::int64_t alarm = 0;  ///< due ms of the alarm it keeps; 0 = none, -1 = it does not know
  bool marker = false;     ///< it took the marker and has not claimed
};
/// The reply: how many messages it still holds (then its entry stays).
[[nodiscard]] redis::Command make_leave(const TopicKeys& keys, const LeaveArgs& args);
[[nodiscard]] std::int64_t read_leave(redis::Reply&& reply);

[[nodiscard]] redis::Command make_arm(const TopicKeys& keys);
void read_arm(redis::Reply&& reply);

/// Waits for the marker of any of these topics; Redis serves the first that has one. Whole seconds: the
/// floor is Redis 5. Not a script: it goes over a BlockingLane. `topics` not empty.
[[nodiscard]] redis::Command make_wait(std::span<const TopicKeys* const> topics,
                                       std::chrono::seconds timeout);
/// The key whose marker was taken (TopicKeys::wake of that topic), or nothing when the time ran out.
[[nodiscard]] std::optional<std::string> read_wait(redis::Reply&& reply);

}  // namespace mx_rmq::broker
