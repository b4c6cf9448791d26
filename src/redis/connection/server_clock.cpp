#include "redis/connection/server_clock.hpp"

#include <algorithm>
#include <cstdint>

namespace mx_rmq::redis {

namespace {

constexpr std::int64_t ns_per_ms = 1'000'000;
// Two clocks on two machines: quartz differs by some 50 ppm, and a clock being slewed by 500.
constexpr std::int64_t drift_per_million = 600;

std::int64_t ns(TimePoint at) noexcept { return at.time_since_epoch().count(); }

}  // namespace

ServerClock::Bounds ServerClock::aged(TimePoint at) const noexcept {
  const std::int64_t age = std::max<std::int64_t>(0, ns(at) - ns(as_of_));
  const std::int64_t drift = age / 1000 * drift_per_million / 1000;
  return {bounds_.low - drift, bounds_.high + drift};
}

void ServerClock::observe(std::int64_t server_ms, TimePoint sent, TimePoint received) noexcept {
  if (received < sent || server_ms <= 0 || server_ms > INT64_MAX / ns_per_ms - 1) return;
  // The clock was read after `sent` and before `received`, and then cut down to a whole ms.
  const std::int64_t told = server_ms * ns_per_ms;
  const Bounds seen{told - ns(received), told + ns_per_ms - ns(sent)};
  if (!known_) {
    known_ = true;
    bounds_ = seen;
    as_of_ = received;
    return;
  }
  const Bounds before = aged(received);
  const Bounds both{std::max(before.low, seen.low), std::min(before.high, seen.high)};
  if (both.low <= both.high) {
    bounds_ = both;
  } else {
    ++steps_;
    bounds_ = seen;
  }
  as_of_ = std::max(as_of_, received);
}

std::int64_t ServerClock::offset(TimePoint at) const noexcept {
  if (!known_) {
    const auto wall = wall_(source_).time_since_epoch();
    return std::chrono::duration_cast<std::chrono::nanoseconds>(wall).count() - ns(at);
  }
  return bounds_.low + (bounds_.high - bounds_.low) / 2;
}

std::int64_t ServerClock::now_ms() const noexcept { return at_ms(now_(source_)); }

std::int64_t ServerClock::latest_ms() const noexcept {
  const std::chrono::nanoseconds unsure =
      known_ ? std::min(uncertainty(), std::chrono::nanoseconds(ns_per_ms))
             : std::chrono::nanoseconds(0);
  return at_ms(now_(source_) + unsure) + 1;
}

std::int64_t ServerClock::at_ms(TimePoint at) const noexcept {
  return (ns(at) + offset(at)) / ns_per_ms;
}

TimePoint ServerClock::to_mono(std::int64_t server_ms) const noexcept {
  const std::int64_t limit = INT64_MAX / ns_per_ms / 4;
  const std::int64_t told = std::clamp(server_ms, -limit, limit) * ns_per_ms;
  return TimePoint(std::chrono::nanoseconds(told - offset(now_(source_))));
}

std::chrono::nanoseconds ServerClock::uncertainty() const noexcept {
  if (!known_) return std::chrono::nanoseconds::max();
  const Bounds now = aged(now_(source_));
  return std::chrono::nanoseconds((now.high - now.low) / 2);
}

}  // namespace mx_rmq::redis
