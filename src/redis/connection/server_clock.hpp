#pragma once

#include <chrono>
#include <cstdint>

#include "runtime/mono_clock.hpp"

namespace mx_rmq::redis {

using runtime::TimePoint;

/// What a node's clock says now: reckoned from the times that it told and our own monotonic
/// clock, never from our wall clock. Loop thread only.
///
/// Each time told bounds the difference of the two clocks by one round trip. The bounds are
/// intersected, so the best round trips count most; they widen with age (the clocks' rates differ);
/// and a time told that contradicts them means that the server's clock was set: it is followed at
/// once, also backward.
class ServerClock {
 public:
  using NowFunction = TimePoint (*)(const void*);
  using WallFunction = std::chrono::system_clock::time_point (*)(const void*);

  /// `loop` anything with `TimePoint now() const` and `system_clock::time_point wall() const` that
  /// outlives this.
  template <class Loop>
  explicit ServerClock(const Loop& loop)
      : source_(&loop),
        now_([](const void* p) { return static_cast<const Loop*>(p)->now(); }),
        wall_([](const void* p) { return static_cast<const Loop*>(p)->wall(); }) {}

  /// The server said `server_ms` (unix ms, cut down to whole ms) in a reply to a command that was
  /// sent at `sent` and whose reply arrived at `received`.
  void observe(std::int64_t server_ms, TimePoint sent, TimePoint received) noexcept;

  /// Whether the server has told a time yet. Before, `now_ms` is our own wall clock.
  [[nodiscard]] bool known() const noexcept { return known_; }
  /// The server's unix time in ms.
  [[nodiscard]] std::int64_t now_ms() const noexcept;
  /// The latest that it may show in this moment, in whole ms rounded up: who counts from it is not
  /// early. An uncertainty of more than a millisecond counts as one, so that nobody is late by it.
  [[nodiscard]] std::int64_t latest_ms() const noexcept;
  /// What it said at a moment that was `now` a short while ago.
  [[nodiscard]] std::int64_t at_ms(TimePoint at) const noexcept;
  /// When the server's clock will show `server_ms` (for timers).
  [[nodiscard]] TimePoint to_mono(std::int64_t server_ms) const noexcept;
  /// Half the width of what the estimate may be off by, as things stand now.
  [[nodiscard]] std::chrono::nanoseconds uncertainty() const noexcept;
  /// How often the server's clock was seen to be set.
  [[nodiscard]] std::uint64_t steps() const noexcept { return steps_; }

 private:
  struct Bounds {
    std::int64_t low;   // server unix ns - own ns, at least
    std::int64_t high;  // at most
  };
  [[nodiscard]] Bounds aged(TimePoint at) const noexcept;
  [[nodiscard]] std::int64_t offset(TimePoint at) const noexcept;

  const void* source_;
  NowFunction now_;
  WallFunction wall_;
  bool known_ = false;
  Bounds bounds_{0, 0};
  TimePoint as_of_{};
  std::uint64_t steps_ = 0;
};

}  // namespace mx_rmq::redis
