#include "broker/produce/batch_under_way.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace mx_rmq::broker {

using runtime::TimePoint;

bool BatchUnderWay::is_open() const noexcept {
  return std::ranges::any_of(entries_, [](const ProduceEntry* entry) { return entry != nullptr; });
}

TimePoint BatchUnderWay::first_deadline() const noexcept {
  TimePoint first = TimePoint::max();
  for (const ProduceEntry* entry : entries_) {
    if (entry != nullptr) first = std::min(first, entry->deadline);
  }
  return first;
}

TimePoint BatchUnderWay::last_deadline() const noexcept {
  TimePoint last = TimePoint::min();
  for (const ProduceEntry* entry : entries_) {
    if (entry != nullptr) last = std::max(last, entry->deadline);
  }
  return last;
}

void BatchUnderWay::apply(const Produce::Reply& reply, const std::vector<std::uint32_t>& special) {
  std::vector<Produced> results(entries_.size(), Produced::enqueued);
  for (const std::uint32_t place : reply.duplicates) {
    if (place < special.size()) results[special[place]] = Produced::duplicate;
  }
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i] != nullptr) std::exchange(entries_[i], nullptr)->succeed(results[i], loop_);
  }
  end();
}

void BatchUnderWay::give_all(Produced result) {
  for (ProduceEntry*& entry : entries_) {
    if (entry != nullptr) std::exchange(entry, nullptr)->succeed(result, loop_);
  }
  end();
}

void BatchUnderWay::fail_all(const std::exception_ptr& error) {
  for (ProduceEntry*& entry : entries_) {
    if (entry != nullptr) std::exchange(entry, nullptr)->fail(error, loop_);
  }
}

void BatchUnderWay::fail_late(TimePoint now, const std::exception_ptr& error) {
  for (ProduceEntry*& entry : entries_) {
    if (entry == nullptr || entry->deadline > now) continue;
    std::exchange(entry, nullptr)->fail(error, loop_);
  }
}

std::vector<ProduceEntry*> BatchUnderWay::dissolve(TimePoint now, const std::exception_ptr& error) {
  assert(!maybe_applied_ && "what may have been executed is not given back");
  std::vector<ProduceEntry*> back;
  for (ProduceEntry*& place : entries_) {
    ProduceEntry* const entry = std::exchange(place, nullptr);
    if (entry == nullptr) continue;
    if (error != nullptr && entry->deadline <= now) {
      entry->fail(error, loop_);
    } else {
      back.push_back(entry);
    }
  }
  end();
  return back;
}

void BatchUnderWay::end() noexcept {
  assert(!is_open() && "everybody has been told");
  entries_.clear();
  maybe_applied_ = false;
}

}  // namespace mx_rmq::broker
