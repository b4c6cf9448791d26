#include "runtime/timer_heap.hpp"

#include <utility>

namespace mx_rmq::runtime {

namespace {

// An id is a number that grows with every timer, and below it the slot the timer is in.
constexpr unsigned slot_bits = 24;
constexpr std::size_t not_in_heap = static_cast<std::size_t>(-1);

std::size_t slot_of(TimerId id) {
  return static_cast<std::size_t>(id.value & ((std::uint64_t{1} << slot_bits) - 1));
}

}  // namespace

TimerId TimerHeap::add(TimePoint due, Callback callback) {
  if (free_.empty()) {
    slots_.emplace_back();
    free_.reserve(slots_.size());  // so that release() need not allocate
    free_.push_back(slots_.size() - 1);
  }
  heap_.emplace_back();  // the last step that may throw
  const std::size_t index = free_.back();
  free_.pop_back();
  Slot& slot = slots_[index];
  slot.id = ++added_ << slot_bits | index;
  slot.callback = std::move(callback);
  sift_up(heap_.size() - 1, Entry{due, added_, index});
  return TimerId{slot.id};
}

bool TimerHeap::cancel(TimerId id) {
  Slot* slot = find(id);
  if (slot == nullptr) return false;
  if (slot->heap_index != not_in_heap) remove_from_heap(slot->heap_index);
  release(*slot);  // the callback dies here, after the books are in order
  return true;
}

std::optional<TimePoint> TimerHeap::next() const {
  if (heap_.empty()) return std::nullopt;
  return heap_.front().due;
}

std::optional<TimerId> TimerHeap::pop_due(TimePoint now) {
  if (heap_.empty() || heap_.front().due > now) return std::nullopt;
  Slot& slot = slots_[heap_.front().slot];
  remove_from_heap(0);
  slot.heap_index = not_in_heap;
  return TimerId{slot.id};
}

TimerHeap::Callback TimerHeap::take(TimerId id) {
  Slot* slot = find(id);
  return slot != nullptr ? release(*slot) : Callback();
}

void TimerHeap::clear() {
  const std::vector<Slot> forgotten = std::exchange(slots_, {});
  heap_.clear();
  free_.clear();
}

bool TimerHeap::before(const Entry& a, const Entry& b) noexcept {
  return a.due != b.due ? a.due < b.due : a.order < b.order;
}

TimerHeap::Slot* TimerHeap::find(TimerId id) {
  const std::size_t index = slot_of(id);
  if (!id || index >= slots_.size() || slots_[index].id != id.value) return nullptr;
  return &slots_[index];
}

void TimerHeap::place(std::size_t index, Entry entry) {
  heap_[index] = entry;
  slots_[entry.slot].heap_index = index;
}

void TimerHeap::sift_up(std::size_t index, Entry entry) {
  while (index > 0) {
    const std::size_t parent = (index - 1) / 2;
    if (!before(entry, heap_[parent])) break;
    place(index, heap_[parent]);
    index = parent;
  }
  place(index, entry);
}

void TimerHeap::sift_down(std::size_t index, Entry entry) {
  for (;;) {
    std::size_t child = 2 * index + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && before(heap_[child + 1], heap_[child])) ++child;
    if (!before(heap_[child], entry)) break;
    place(index, heap_[child]);
    index = child;
  }
  place(index, entry);
}

void TimerHeap::remove_from_heap(std::size_t index) {
  const Entry last = heap_.back();
  heap_.pop_back();
  if (index == heap_.size()) return;
  if (index > 0 && before(last, heap_[(index - 1) / 2])) {
    sift_up(index, last);
  } else {
    sift_down(index, last);
  }
}

TimerHeap::Callback TimerHeap::release(Slot& slot) {
  free_.push_back(slot_of(TimerId{slot.id}));
  slot.id = 0;
  return std::exchange(slot.callback, {});
}

}  // namespace mx_rmq::runtime
