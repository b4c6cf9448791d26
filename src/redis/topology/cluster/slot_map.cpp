#include "redis/topology/cluster/slot_map.hpp"

#include <algorithm>
#include <cassert>

namespace mx_rmq::redis {

std::vector<int> SlotMap::apply(std::span<const SlotRange> ranges, TimePoint asked_at) {
  known_ = true;
  std::array<Index, slot_count> told{};
  for (const SlotRange& range : ranges) {
    assert(range.first >= 0 && range.last < slot_count && "a range of slots that there are");
    if (!range.master) continue;
    std::fill(told.begin() + range.first, told.begin() + range.last + 1, index_of(*range.master));
  }
  std::erase_if(moved_,
                [asked_at](const auto& each) { return each.second + settles_within <= asked_at; });
  std::vector<int> changed;
  for (int slot = 0; slot < slot_count; ++slot) {
    if (moved_.contains(slot)) continue;
    if (set(slot, told[static_cast<std::size_t>(slot)])) changed.push_back(slot);
  }
  forget_unused();
  return changed;
}

bool SlotMap::moved(const Redirect& redirect, TimePoint now) {
  assert(!redirect.ask && "ASK is for one command");
  if (!redirect.to) return false;
  moved_[redirect.slot] = now;
  return set(redirect.slot, index_of(*redirect.to));
}

bool SlotMap::set(int slot, Index to) {
  Index& at = slots_[static_cast<std::size_t>(slot)];
  if (at == to) return false;
  at = to;
  return true;
}

SlotMap::Index SlotMap::index_of(const api::HostPort& node) {
  const auto found = std::ranges::find(nodes_, node);
  if (found != nodes_.end()) return static_cast<Index>(found - nodes_.begin() + 1);
  assert(nodes_.size() < UINT16_MAX && "there are fewer nodes than slots");
  nodes_.push_back(node);
  return static_cast<Index>(nodes_.size());
}

// Nodes come and go for months.
void SlotMap::forget_unused() {
  std::vector<Index> now(nodes_.size() + 1, 0);
  for (const Index each : slots_) now[each] = 1;
  std::vector<api::HostPort> kept;
  for (std::size_t i = 1; i < now.size(); ++i) {
    if (now[i] == 0) continue;
    kept.push_back(std::move(nodes_[i - 1]));
    now[i] = static_cast<Index>(kept.size());
  }
  now[0] = 0;
  for (Index& each : slots_) each = now[each];
  nodes_ = std::move(kept);
}

const api::HostPort* SlotMap::master(int slot) const {
  const Index at = slots_[static_cast<std::size_t>(slot)];
  return at == 0 ? nullptr : &nodes_[at - 1U];
}

std::vector<api::HostPort> SlotMap::masters() const {
  std::vector<bool> serves(nodes_.size() + 1, false);
  for (const Index each : slots_) serves[each] = true;
  std::vector<api::HostPort> all;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (serves[i + 1]) all.push_back(nodes_[i]);
  }
  return all;
}

int SlotMap::holes() const noexcept {
  return static_cast<int>(std::ranges::count(slots_, Index{0}));
}

}  // namespace mx_rmq::redis
