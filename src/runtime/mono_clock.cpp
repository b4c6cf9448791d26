#include "runtime/mono_clock.hpp"

#include <time.h>

namespace mx_rmq::runtime {

MonoClock::time_point MonoClock::now() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return time_point(std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec));
}

namespace {

class RealClock final : public Clock {
 public:
  TimePoint now() const noexcept override { return MonoClock::now(); }
};

}  // namespace

std::chrono::system_clock::time_point Clock::wall() const noexcept {
  return std::chrono::system_clock::now();
}

const Clock& Clock::real() noexcept {
  // Never destroyed: when exit() is called on another thread, the loop still runs while static
  // objects go.
  static const RealClock* const clock = new RealClock;
  return *clock;
}

}  // namespace mx_rmq::runtime
