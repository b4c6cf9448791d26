#pragma once

#include <atomic>
#include <cassert>
#include <cstdint>
#include <memory>

namespace mx_rmq::worker {

struct LowerFlag {
  void operator()(bool* flag) const noexcept { *flag = false; }
};
/// A flag that is up as long as this lives: something is under way. Loop thread only.
class Raised : private std::unique_ptr<bool, LowerFlag> {
 public:
  explicit Raised(bool& flag) : unique_ptr(&flag) {
    assert(!flag && "what the flag stands for is under way once at a time");
    flag = true;
  }
  /// Before the end of this.
  void lower() noexcept { reset(); }
};

struct CountDown {
  void operator()(std::atomic<std::int64_t>* count) const noexcept {
    count->fetch_sub(1, std::memory_order_relaxed);
  }
};
/// Counts as one as long as this lives; empty, it does not. Any thread reads the count.
using Counted = std::unique_ptr<std::atomic<std::int64_t>, CountDown>;
inline Counted count_in(std::atomic<std::int64_t>& count) noexcept {
  count.fetch_add(1, std::memory_order_relaxed);
  return Counted(&count);
}

}  // namespace mx_rmq::worker
