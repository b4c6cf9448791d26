#include "worker/pace.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace mx_rmq::worker {

using runtime::Duration;
using runtime::TimePoint;

void Pace::works(TimePoint now) noexcept {
  reckon(now);
  if (!std::exchange(working_, true)) began_ = now;
  since_ = now;
}

void Pace::rests(TimePoint now) noexcept {
  reckon(now);
  working_ = false;
}

void Pace::reckon(TimePoint now) noexcept {
  if (working_) busy_ += now - std::exchange(since_, now);
  if (ended_ <= remembered_) return;
  const double kept = remembered_ / ended_;
  ended_ = remembered_;
  busy_ = Duration(static_cast<Duration::rep>(static_cast<double>(busy_.count()) * kept));
}

double Pace::in(Duration time, TimePoint now) const noexcept {
  const auto times = [time](Duration part) {  // a clock tells no less than a microsecond
    return static_cast<double>(time.count()) /
           static_cast<double>(std::max<Duration>(part, std::chrono::microseconds(1)).count());
  };
  if (!working_) return ended_ * times(busy_);
  // While nothing ends, each worker has a message that takes as long already.
  return std::min(ended_ * times(busy_ + (now - since_)), workers_ * times(silent_for(now)));
}

Duration Pace::silent_for(TimePoint now) const noexcept {
  return working_ ? now - std::max(began_, last_end_) : Duration(0);
}

}  // namespace mx_rmq::worker
