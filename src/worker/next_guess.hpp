#pragma once

#include <algorithm>
#include <cstddef>

namespace mx_rmq::worker {

/// Whether one source is claimed from once more after a claim that brought many messages and left
/// none. Whoever produces in a stream has the next batch on its way by the time that these are
/// handled; to wait until it wakes us would have Redis and us work by turns. A guess that finds
/// nothing is one command for many messages, and the next guesses are then further apart. Pure;
/// thread: one.
class NextGuess {
 public:
  /// A claim was answered with so many and left none, and its consumer is listed. True: guess, as
  /// soon as nothing of the source is here.
  [[nodiscard]] bool worth(std::size_t messages) noexcept {
    if (messages < many) return false;
    if (pass_over_ == 0) return true;
    --pass_over_;
    return false;
  }
  /// The claim of a guess was answered.
  void answered(std::size_t messages) noexcept {
    pause_ = messages > 0 ? 0 : std::min(longest_pause, 2 * pause_ + 1);
    pass_over_ = pause_;
  }

 private:
  static constexpr std::size_t many = 64;  // beside so many one command more does not count
  static constexpr int longest_pause = 63;

  int pause_ = 0;      // claims of many messages without a guess after a miss
  int pass_over_ = 0;  // of them, still to come
};

}  // namespace mx_rmq::worker
