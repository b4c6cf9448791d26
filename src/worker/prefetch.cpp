#include "worker/prefetch.hpp"

#include <algorithm>
#include <chrono>

namespace mx_rmq::worker {

using runtime::Duration;
using runtime::TimePoint;
using namespace std::chrono_literals;

namespace {

constexpr int round_trips = 4;
// Shorter than this threads and timers are not punctual, and a wait matters to nobody.
constexpr Duration shortest = 20ms;
constexpr Duration longest = 1s;
// Who dies holds up what it held for a lease: that is to be little beside what it was to do then.
constexpr int parts_of_lease = 8;
// How long a message may be expected to wait here before it is given back.
constexpr Duration patience = 1s;
constexpr int horizons_of_patience = 4;

}  // namespace

void Prefetch::answered(Duration round_trip, std::size_t messages, std::size_t bytes) noexcept {
  round_trip_ = round_trip_ == Duration(0) ? round_trip : (7 * round_trip_ + round_trip) / 8;
  if (messages == 0) return;
  const std::size_t now = bytes / messages + 1;
  // Larger ones count at once, smaller ones by and by.
  average_bytes_ = std::max(now, (3 * average_bytes_ + now) / 4);
}

Duration Prefetch::horizon() const noexcept {
  return std::min(
      {std::max(round_trips * round_trip_, shortest), longest, lease_ / parts_of_lease});
}

std::size_t Prefetch::ahead(const Pace& pace, std::size_t held_bytes,
                            TimePoint now) const noexcept {
  const std::size_t free_bytes = most_bytes - std::min(most_bytes, held_bytes);
  const std::size_t most = std::min(most_messages, free_bytes / average_bytes_);
  return static_cast<std::size_t>(std::min(pace.in(horizon(), now), static_cast<double>(most)));
}

bool Prefetch::too_many(std::size_t messages, const Pace& pace, TimePoint now) const noexcept {
  const Duration time = std::max(patience, horizons_of_patience * horizon());
  if (messages > 0 && pace.silent_for(now) >= time) return true;
  return static_cast<double>(messages) > pace.in(time, now);
}

}  // namespace mx_rmq::worker
