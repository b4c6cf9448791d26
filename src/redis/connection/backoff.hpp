#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "redis/connection/seams.hpp"

namespace mx_rmq::redis {

/// Pauses that double from `min` to `max`, each jittered evenly down to its half, so that clients
/// that lost the same server do not come back in step.
class Backoff {
 public:
  Backoff(std::chrono::nanoseconds min, std::chrono::nanoseconds max) noexcept
      : min_(min), max_(std::max(min, max)) {}

  [[nodiscard]] std::chrono::nanoseconds next(Rng& rng) {
    std::chrono::nanoseconds full = min_;
    for (int i = 0; i < failures_ && full < max_; ++i) full *= 2;
    full = std::min(full, max_);
    if (failures_ < 62) ++failures_;
    const auto half = full / 2;
    const auto span = static_cast<std::uint64_t>((full - half).count()) + 1;
    return half + std::chrono::nanoseconds(static_cast<std::int64_t>(rng.next() % span));
  }
  /// Back to the beginning.
  void reset() noexcept { failures_ = 0; }
  /// At most as if after `failures`: something worked, but not for long.
  void soften(int failures) noexcept { failures_ = std::min(failures_, failures); }

 private:
  std::chrono::nanoseconds min_;
  std::chrono::nanoseconds max_;
  int failures_ = 0;
};

}  // namespace mx_rmq::redis
