#include "broker/produce/produce_line.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace mx_rmq::broker {

runtime::TimePoint ProduceLine::first_deadline() const noexcept {
  return entries_.empty() ? runtime::TimePoint::max() : entries_.front()->deadline;
}

void ProduceLine::push(std::span<ProduceEntry> entries) {
  const std::size_t before = entries_.size();
  try {
    for (ProduceEntry& entry : entries) {
      entry.order = ++submitted_;
      entries_.push_back(&entry);
    }
  } catch (...) {
    entries_.resize(before);
    throw;
  }
}

void ProduceLine::drop_last(std::size_t count) {
  assert(count <= entries_.size() && "only what waits can be dropped");
  entries_.resize(entries_.size() - count);
}

void ProduceLine::give_back(const std::vector<ProduceEntry*>& entries) {
  const auto middle = static_cast<std::ptrdiff_t>(entries.size());
  entries_.insert(entries_.begin(), entries.begin(), entries.end());
  std::ranges::inplace_merge(entries_, entries_.begin() + middle, {}, &ProduceEntry::order);
}

void ProduceLine::move_away() {
  const auto away = std::ranges::stable_partition(
      entries_, [](const ProduceEntry* entry) { return !entry->message->may_move; });
  const std::vector<ProduceEntry*> moved(away.begin(), away.end());
  entries_.erase(away.begin(), away.end());
  for (ProduceEntry* entry : moved) entry->succeed(Produced::moved, loop_);
}

void ProduceLine::fail_front(std::exception_ptr error) {
  ProduceEntry& entry = *entries_.front();
  entries_.pop_front();
  entry.fail(std::move(error), loop_);
}

void ProduceLine::fail_all(const std::exception_ptr& error) {
  for (ProduceEntry* entry : std::exchange(entries_, {})) entry->fail(error, loop_);
}

}  // namespace mx_rmq::broker
