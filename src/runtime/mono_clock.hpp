#pragma once

#include <chrono>

namespace mx_rmq::runtime {

/// The clock of every lease, deadline and timer: monotonic, and it counts the time a machine was
/// suspended (CLOCK_BOOTTIME), so that a lease that ran out while a laptop slept is seen as such.
struct MonoClock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<MonoClock>;
  static constexpr bool is_steady = true;

  static time_point now() noexcept;
};

using TimePoint = MonoClock::time_point;
using Duration = MonoClock::duration;

/// Seam: what the loop asks for the time. Tests script it. Thread: any.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual TimePoint now() const noexcept = 0;
  /// The wall clock, which may be wrong and may be set at any time: only for what nothing depends
  /// on.
  virtual std::chrono::system_clock::time_point wall() const noexcept;

  /// The real clock; lives for ever.
  static const Clock& real() noexcept;
};

}  // namespace mx_rmq::runtime
