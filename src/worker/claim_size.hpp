#pragma once

#include <cstddef>

#include "runtime/mono_clock.hpp"

namespace mx_rmq::worker {

/// How much a claim may ask for. Pure. Thread: one.
///
/// A claim without an answer may have asked for more than Redis sends (client-output-buffer-limit
/// closes the connection) or than comes in time; asked again, it would end the same way for ever.
/// So the next one asks for half of that, down to one message. After a while in which claims were
/// answered the bounds are doubled, until they are what they were. A size that fails as soon as it
/// is tried again is tried ever more seldom.
class ClaimSize {
 public:
  struct Size {
    int messages = 0;
    std::size_t bytes = 0;  ///< one message is always allowed

    friend bool operator==(const Size&, const Size&) = default;
  };

  /// The bounds while claims are answered.
  explicit ClaimSize(Size full) noexcept : full_(full), most_(full) {}

  /// What a claim that wants so many messages is to ask for.
  [[nodiscard]] Size of(int wanted) const noexcept;
  /// A claim that asked for so much was not answered.
  void unanswered(Size asked, runtime::TimePoint now) noexcept;
  /// One was.
  void answered(Size asked, runtime::TimePoint now) noexcept;
  /// Not even a single message is asked for less.
  [[nodiscard]] bool smallest() const noexcept { return most_.messages == 1; }

 private:
  const Size full_;
  Size most_;
  bool raised_ = false;  // and no claim was answered since
  runtime::TimePoint raise_at_{};
  runtime::Duration wait_ = first_wait;

  static constexpr runtime::Duration first_wait = std::chrono::seconds(1);
  static constexpr runtime::Duration longest_wait = std::chrono::minutes(5);
};

}  // namespace mx_rmq::worker
