#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace mx_rmq {

/// How often something took how long, in steps that grow. Adding costs a few comparisons and no
/// memory.
class DurationHistogram {
 public:
  /// Upper bounds of the steps, in seconds: OpenTelemetry's, and some for messages that wait long.
  static constexpr std::array<double, 17> bounds{
      0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60, 300};

  /// Empty.
  DurationHistogram() noexcept = default;

  /// Counts one; less than nothing counts as 0.
  void add(std::chrono::nanoseconds took) noexcept {
    if (took.count() < 0) took = std::chrono::nanoseconds(0);
    std::size_t step = 0;
    while (step < bounds.size() && took.count() > in_ns[step]) ++step;
    ++counts_[step];
    sum_ += took;
  }
  /// Counts what the other one has counted.
  void add(const DurationHistogram& other) noexcept {
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
    sum_ += other.sum_;
  }

  /// How many took more than the bound before that step and no more than its own; the step behind
  /// the last bound has all that took longer.
  [[nodiscard]] std::uint64_t in_step(std::size_t step) const noexcept { return counts_[step]; }
  /// How many there were.
  [[nodiscard]] std::uint64_t count() const noexcept {
    std::uint64_t all = 0;
    for (const std::uint64_t each : counts_) all += each;
    return all;
  }
  /// How long all of them took together.
  [[nodiscard]] std::chrono::nanoseconds sum() const noexcept { return sum_; }

 private:
  static constexpr auto in_ns = [] {
    std::array<std::int64_t, bounds.size()> out{};
    for (std::size_t i = 0; i < out.size(); ++i)
      out[i] = static_cast<std::int64_t>(bounds[i] * 1e9 + 0.5);
    return out;
  }();

  std::array<std::uint64_t, bounds.size() + 1> counts_{};
  std::chrono::nanoseconds sum_{0};
};

}  // namespace mx_rmq
