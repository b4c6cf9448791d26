#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "runtime/mono_clock.hpp"

namespace mx_rmq::runtime {

/// Names a timer; never used twice within a loop. The default value names none.
struct TimerId {
  std::uint64_t value = 0;
  explicit operator bool() const noexcept { return value != 0; }
  friend bool operator==(TimerId, TimerId) = default;
};

/// The timers of a loop, by due time, equal ones in the order they were added. Knows no clock and
/// no loop. Adding and cancelling cost O(log n). Thread: one.
///
/// A timer ends in one of two ways, whichever comes first: cancel() or take(). Between pop_due()
/// and take() it is due but still cancellable, so whoever cancels successfully may free what the
/// callback refers to.
class TimerHeap {
 public:
  using Callback = std::function<void()>;

  TimerId add(TimePoint due, Callback callback);

  /// True if the timer was pending or due and now never runs.
  bool cancel(TimerId id);

  /// When the earliest pending timer is due.
  std::optional<TimePoint> next() const;

  /// Moves the earliest timer that is due at `now` from pending to due and names it.
  std::optional<TimerId> pop_due(TimePoint now);

  /// The callback of a due timer, which is then forgotten; empty if it was cancelled.
  Callback take(TimerId id);

  /// Forgets all timers without running them.
  void clear();

  std::size_t pending() const noexcept { return heap_.size(); }

 private:
  struct Slot {
    std::uint64_t id = 0;  // 0: free
    std::size_t heap_index = 0;
    Callback callback;
  };
  struct Entry {
    TimePoint due;
    std::uint64_t order;
    std::size_t slot;
  };

  static bool before(const Entry& a, const Entry& b) noexcept;
  Slot* find(TimerId id);
  void place(std::size_t index, Entry entry);
  void sift_up(std::size_t index, Entry entry);
  void sift_down(std::size_t index, Entry entry);
  void remove_from_heap(std::size_t index);
  Callback release(Slot& slot);

  std::vector<Entry> heap_;
  std::vector<Slot> slots_;
  std::vector<std::size_t> free_;
  std::uint64_t added_ = 0;
};

}  // namespace mx_rmq::runtime
