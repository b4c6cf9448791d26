#pragma once

#include <cstddef>

#include "runtime/mono_clock.hpp"

namespace mx_rmq::worker {

/// How much of a topic is finished in a time while there is something of it to do. The times
/// without work do not count, so a burst after a pause is expected to go as fast as the last one;
/// a time in which nothing ends does, so handlers that hang are noticed while they do. Pure.
/// Thread: one.
class Pace {
 public:
  /// It forgets by messages, not by time: a few times as many as run at once are remembered, so
  /// that handlers which end together make no burst.
  explicit Pace(std::size_t workers) noexcept
      : workers_(static_cast<double>(workers)),
        remembered_(static_cast<double>(least_remembered + 4 * workers)) {}

  /// Something is here, or came in addition.
  void works(runtime::TimePoint now) noexcept;
  /// Nothing is here any more.
  void rests(runtime::TimePoint now) noexcept;
  /// A message was finished, at about that time.
  void ended(runtime::TimePoint about) noexcept {
    ended_ += 1;
    last_end_ = about;
  }

  /// How many it would finish in such a time, from what was seen up to now. 0 before anything was.
  [[nodiscard]] double in(runtime::Duration time, runtime::TimePoint now) const noexcept;
  /// For how long nothing has ended though there is something to do.
  [[nodiscard]] runtime::Duration silent_for(runtime::TimePoint now) const noexcept;

 private:
  static constexpr std::size_t least_remembered = 64;

  void reckon(runtime::TimePoint now) noexcept;

  const double workers_;
  const double remembered_;
  double ended_ = 0;
  runtime::Duration busy_{0};
  bool working_ = false;
  runtime::TimePoint began_{};  // working_: when it began
  runtime::TimePoint since_{};  // working_: up to here busy_ counts
  runtime::TimePoint last_end_{};
};

}  // namespace mx_rmq::worker
