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

/// What any consumer does for the others: taking over from the dead, sweeping the lists. Pure.
namespace mx_rmq::broker {

struct ReapArgs {
  std::string_view victim;  ///< a consumer that was reported as lapsed
  int most = 1000;
  std::size_t bytes = 0;                       ///< one message is always allowed
  std::chrono::milliseconds longest_lease{0};  ///< that anybody may have
  std::int64_t dead_cap = 0;                   ///< of the dead letters; 0 = none
};
enum class ReapState : std::uint8_t {
  gone,   ///< not registered
  alive,  ///< its lease goes on
  taken   ///< messages were taken over; the fields below count
};
struct ReapResult {
  std::int64_t now = 0;
  ReapState state = ReapState::gone;
  std::int64_t left = 0;  ///< still to take: call again
  std::int64_t recovered = 0;
  std::int64_t dead = 0;
  std::vector<std::string> dropped;  ///< dead letters that the cap dropped
};
[[nodiscard]] redis::Command make_reap(const TopicKeys& keys, const ReapArgs& args);
[[nodiscard]] ReapResult read_reap(redis::Reply&& reply);

struct SweepArgs {
  std::string_view consumer;
  std::uint64_t number = 0;  ///< of this sweep, counted by the consumer
  int most = 1000;
  std::size_t bytes = 0;  ///< one message is always allowed
  bool drop = false;      ///< expired messages are dropped instead of dead-lettered
  std::chrono::milliseconds longest_lease{0};
  std::int64_t dead_cap = 0;  ///< 0 = none
};
struct SweepResult {
  std::int64_t now = 0;
  std::int64_t taken = 0;
  bool more = false;      ///< an expired one may be left: call again
  std::string lapsed;     ///< a consumer whose lease ran out; empty = none
  bool suspects = false;  ///< suspects wait
  std::vector<std::string> dropped;
};
[[nodiscard]] redis::Command make_sweep(const TopicKeys& keys, const SweepArgs& args);
[[nodiscard]] SweepResult read_sweep(redis::Reply&& reply);

}  // namespace mx_rmq::broker
