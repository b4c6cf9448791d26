#pragma once

#include <array>
#include <chrono>
#include <cstdint>

#include "runtime/mono_clock.hpp"

namespace mx_rmq::worker {

/// Mean and longest duration of a handler's runs. Loop thread only.
struct RunTimes {
  std::uint64_t runs = 0;
  runtime::Duration total{0};
  runtime::Duration longest{0};

  void add(runtime::Duration took) noexcept {
    ++runs;
    total += took;
    if (took > longest) longest = took;
  }
  [[nodiscard]] double average_ms() const noexcept {
    return runs == 0 ? 0
                     : std::chrono::duration<double, std::milli>(total).count() /
                           static_cast<double>(runs);
  }
  [[nodiscard]] double longest_ms() const noexcept {
    return std::chrono::duration<double, std::milli>(longest).count();
  }
};

/// Events per minute over the last minute, second by second. Loop thread only.
class Throughput {
 public:
  void start(runtime::TimePoint now) noexcept {
    if (began_ == runtime::TimePoint{}) began_ = now;
  }
  void add(runtime::TimePoint now, std::uint64_t count) noexcept {
    start(now);
    slot(now) += count;
  }
  [[nodiscard]] double per_minute(runtime::TimePoint now) noexcept {
    if (began_ == runtime::TimePoint{}) return 0;
    slot(now);
    std::uint64_t sum = 0;
    for (const auto each : counts_) sum += each;
    const double seconds = std::chrono::duration<double>(now - began_).count();
    if (seconds >= static_cast<double>(window)) return static_cast<double>(sum);
    return seconds < 1 ? static_cast<double>(sum) * 60 : static_cast<double>(sum) * 60 / seconds;
  }

 private:
  static constexpr std::int64_t window = 60;  // seconds

  std::uint64_t& slot(runtime::TimePoint now) noexcept {
    const auto second =
        std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
    if (second - last_ >= window) {
      counts_.fill(0);
    } else {
      for (auto each = last_ + 1; each <= second; ++each)
        counts_[static_cast<std::size_t>(each % window)] = 0;
    }
    if (second > last_) last_ = second;
    return counts_[static_cast<std::size_t>(second % window)];
  }

  std::array<std::uint64_t, window> counts_{};
  std::int64_t last_ = 0;
  runtime::TimePoint began_{};
};

}  // namespace mx_rmq::worker
