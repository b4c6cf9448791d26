#pragma once

#include "runtime/mono_clock.hpp"

namespace mx_rmq::runtime {

/// The longest of the durations of the last half minute to minute. One thread.
class LongestLately {
 public:
  void add(TimePoint now, Duration took) noexcept {
    turn_over(now);
    if (took > present_) present_ = took;
  }
  [[nodiscard]] Duration get(TimePoint now) noexcept {
    turn_over(now);
    return present_ > before_ ? present_ : before_;
  }

 private:
  static constexpr Duration half = std::chrono::seconds(30);

  void turn_over(TimePoint now) noexcept {
    if (now - began_ < half) return;
    before_ = now - began_ < 2 * half ? present_ : Duration(0);
    present_ = Duration(0);
    began_ = now;
  }

  TimePoint began_{};
  Duration present_{0};
  Duration before_{0};
};

}  // namespace mx_rmq::runtime
