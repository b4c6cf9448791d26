#pragma once

#include <algorithm>
#include <cassert>
#include <cstdint>

#include "runtime/mono_clock.hpp"

namespace mx_rmq::runtime {

/// The pauses between tries of something that keeps failing: `first`, then twice as long each time,
/// `longest` at most.
class Backoff {
 public:
  /// `longest` counts as `first` if it is shorter.
  Backoff(Duration first, Duration longest) noexcept
      : first_(first), longest_(std::max(first, longest)) {
    assert(first > Duration::zero() && "a pause of no length is a hot loop");
  }

  /// The next pause, for what nobody does in step with others.
  [[nodiscard]] Duration next() noexcept {
    Duration pause = first_;
    for (int i = 0; i < failures_ && pause < longest_; ++i) pause *= 2;
    if (failures_ < most_counted) ++failures_;
    return std::min(pause, longest_);
  }
  /// The same, jittered evenly down to its half by 64 random bits: clients that lost the same
  /// server must not come back in step.
  [[nodiscard]] Duration next(std::uint64_t random) noexcept {
    const Duration whole = next();
    const Duration half = whole / 2;
    const auto span = static_cast<std::uint64_t>((whole - half).count()) + 1;
    return half + Duration(static_cast<Duration::rep>(random % span));
  }

  /// It worked: the next failure begins with the first pause again.
  void reset() noexcept { failures_ = 0; }
  /// It worked, but not for long: the next pause is at most that after `failures`.
  void soften(int failures) noexcept { failures_ = std::min(failures_, failures); }

 private:
  static constexpr int most_counted = 62;

  Duration first_;
  Duration longest_;
  int failures_ = 0;
};

}  // namespace mx_rmq::runtime
