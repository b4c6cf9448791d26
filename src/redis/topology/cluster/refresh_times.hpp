#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "runtime/backoff.hpp"
#include "runtime/mono_clock.hpp"

namespace mx_rmq::redis {

using runtime::TimePoint;

/// When the map of a Cluster is asked for: one question under way at a time; soon after something
/// said that it has changed, but not more often than once a second, however often that is said;
/// more often while a node is away, because its successor tells nobody of itself; now and then in
/// any case; ever more seldom while nobody answers.
class RefreshTimes {
 public:
  struct Options {
    std::chrono::milliseconds least{1000};       ///< from one question to the next
    std::chrono::milliseconds while_lost{250};   ///< the same while a node is away ...
    std::chrono::milliseconds lost_for{15000};   ///< ... unless it has been for so long
    std::chrono::milliseconds every{30000};      ///< with up to as much again, by chance
    std::chrono::milliseconds retry_first{100};  ///< after no answer, twice as long each time ...
    std::chrono::milliseconds retry_last{5000};  ///< ... up to this
  };

  RefreshTimes(Options options, TimePoint now);

  /// Something said that the map is not what it was.
  void want() noexcept { wanted_ = true; }
  /// A node that the map names cannot be reached.
  void lost(TimePoint now) noexcept;
  /// When to ask; TimePoint::max() while a question is under way.
  [[nodiscard]] TimePoint due() const noexcept;
  void asked(TimePoint now) noexcept;
  /// `random`: 64 uniform bits.
  void answered(TimePoint now, std::uint64_t random) noexcept;
  void failed(TimePoint now, std::uint64_t random) noexcept;

  [[nodiscard]] bool asking() const noexcept { return asking_; }

 private:
  const Options options_;
  runtime::Backoff retries_;
  bool wanted_ = true;
  bool lost_ = false;
  std::optional<TimePoint> lost_since_;
  bool asking_ = false;
  TimePoint asked_at_;
  TimePoint not_before_;
  TimePoint now_and_then_;
};

}  // namespace mx_rmq::redis
