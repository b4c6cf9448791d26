#pragma once

#include <cstddef>

#include "runtime/mono_clock.hpp"
#include "worker/pace.hpp"

namespace mx_rmq::worker {

/// How many messages of one topic are to be held beyond those that run, where that is left to the
/// library: as many as its handlers finish in a few round trips to Redis. So they never wait for
/// Redis, nor a message long behind others. Pure. Thread: one.
class Prefetch {
 public:
  /// The bounds, of all topics together.
  static constexpr std::size_t most_messages = 2048;
  static constexpr std::size_t most_bytes = std::size_t{32} << 20;

  explicit Prefetch(runtime::Duration lease) noexcept : lease_(lease) {}

  /// A claim was answered after such a time, and brought so much.
  void answered(runtime::Duration round_trip, std::size_t messages, std::size_t bytes) noexcept;

  /// How many are to be held, while the local queue has `held_bytes` of all topics.
  [[nodiscard]] std::size_t ahead(const Pace& pace, std::size_t held_bytes,
                                  runtime::TimePoint now) const noexcept;
  /// Whether so many are more than will be begun soon: handlers have become slow since they were
  /// claimed.
  [[nodiscard]] bool too_many(std::size_t messages, const Pace& pace,
                              runtime::TimePoint now) const noexcept;

  /// For how long handlers are to have work.
  [[nodiscard]] runtime::Duration horizon() const noexcept;

 private:
  const runtime::Duration lease_;
  runtime::Duration round_trip_{0};  // smoothed
  std::size_t average_bytes_ = 1;    // of a message
};

}  // namespace mx_rmq::worker
