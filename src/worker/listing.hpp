#pragma once

#include <cstdint>

namespace mx_rmq::worker {

/// What is known here of whether one source's consumer is listed at Redis as idle, so that who adds
/// work wakes it. Pure; thread: one.
///
/// It counts as listed only if a claim was answered so in the epoch of the subscription in which it
/// was sent: what is published before an epoch, or after it, nobody may have heard.
class Listing {
 public:
  /// What a claim says of it.
  struct Asked {
    bool list = false;    ///< if nothing is left
    bool listed = false;  ///< it may be
  };

  /// The channel is heard, in a new epoch. Until a claim has been answered in it, it is not listed.
  void up(std::uint64_t epoch) noexcept {
    epoch_ = epoch;
    listed_ = false;
  }
  void down() noexcept { up(0); }
  [[nodiscard]] bool hears() const noexcept { return epoch_ != 0; }

  /// A claim is sent now.
  [[nodiscard]] Asked ask() noexcept {
    asked_ = epoch_;
    listed_ = false;
    return {hears(), may_be_};
  }
  void answered(bool listed) noexcept {
    may_be_ = listed;
    listed_ = listed && hears() && asked_ == epoch_;
  }
  /// It may have been executed.
  void unanswered() noexcept { may_be_ = true; }

  /// Surely, and not woken since, as far as was heard.
  [[nodiscard]] bool listed() const noexcept { return listed_; }
  void woken() noexcept { listed_ = false; }

 private:
  std::uint64_t epoch_ = 0;  // of the subscription; 0 = the channel is not heard
  std::uint64_t asked_ = 0;  // in which the last claim was sent
  bool listed_ = false;
  bool may_be_ = false;  // at Redis, as idle or as told
};

}  // namespace mx_rmq::worker
