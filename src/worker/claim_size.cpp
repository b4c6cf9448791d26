#include "worker/claim_size.hpp"

#include <algorithm>

namespace mx_rmq::worker {

ClaimSize::Size ClaimSize::of(int wanted) const noexcept {
  return Size{std::min(wanted, most_.messages), most_.bytes};
}

void ClaimSize::unanswered(Size asked, runtime::TimePoint now) noexcept {
  if (asked.messages == 0) return;  // its answer holds no message: smaller is none
  if (raised_) wait_ = std::min(2 * wait_, longest_wait);
  raised_ = false;
  most_.messages = std::max(1, asked.messages / 2);
  most_.bytes = std::max<std::size_t>(1, asked.bytes / 2);
  raise_at_ = now + wait_;
}

void ClaimSize::answered(Size asked, runtime::TimePoint now) noexcept {
  if (asked.messages == 0) return;
  raised_ = false;
  if (most_ == full_) {
    wait_ = first_wait;
    return;
  }
  if (now < raise_at_) return;
  most_.messages = std::min(full_.messages, 2 * most_.messages);
  most_.bytes = std::min(full_.bytes, 2 * most_.bytes);
  raised_ = true;
  raise_at_ = now + wait_;
}

}  // namespace mx_rmq::worker
