#pragma once

#include <coroutine>
#include <cstddef>
#include <functional>
#include <utility>
#include <variant>
#include <vector>

#include "runtime/timer_heap.hpp"

namespace mx_rmq::runtime {

/// Something that is ready to run: a coroutine to resume, a function, or a due timer.
using ReadyItem = std::variant<std::coroutine_handle<>, TimerId, std::function<void()>>;

/// First in, first out, in one growing block of memory. Thread: one.
class ReadyList {
 public:
  bool empty() const noexcept { return head_ == items_.size(); }
  std::size_t size() const noexcept { return items_.size() - head_; }

  void push(ReadyItem item) { items_.push_back(std::move(item)); }

  /// Not when empty.
  ReadyItem pop() {
    ReadyItem item = std::move(items_[head_++]);
    if (head_ == items_.size()) {
      items_.clear();
      head_ = 0;
    } else if (head_ >= compact_at && head_ * 2 >= items_.size()) {
      items_.erase(items_.begin(), items_.begin() + static_cast<std::ptrdiff_t>(head_));
      head_ = 0;
    }
    return item;
  }

 private:
  static constexpr std::size_t compact_at = 1024;

  std::vector<ReadyItem> items_;
  std::size_t head_ = 0;
};

}  // namespace mx_rmq::runtime
