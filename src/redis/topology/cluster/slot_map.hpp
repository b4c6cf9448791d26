#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "api/host_port.hpp"
#include "redis/topology/cluster/cluster_slots.hpp"
#include "redis/topology/cluster/slot.hpp"
#include "runtime/mono_clock.hpp"

namespace mx_rmq::redis {

using runtime::TimePoint;

/// Which master serves each slot, put together from whole maps (CLUSTER SLOTS) and from single
/// slots (MOVED). A MOVED is the word of a node that does not serve the slot any more: it counts at
/// once, and no map that was asked for before it, or so shortly after it that the node asked may
/// not have heard, undoes it.
class SlotMap {
 public:
  /// The slots whose master is another one than before. What is not named in `ranges` has none.
  /// `asked_at`: when the question was sent.
  std::vector<int> apply(std::span<const SlotRange> ranges, TimePoint asked_at);
  /// True if the slot has another master than before. With an address that is not known the slot
  /// stays where it is.
  bool moved(const Redirect& redirect, TimePoint now);

  /// The master of a slot; nullptr if none is known.
  [[nodiscard]] const api::HostPort* master(int slot) const;
  /// All that serve a slot.
  [[nodiscard]] std::vector<api::HostPort> masters() const;
  /// There has been a map.
  [[nodiscard]] bool known() const noexcept { return known_; }
  /// Slots without a master.
  [[nodiscard]] int holes() const noexcept;

  /// So long after a MOVED a map that says otherwise may still be an old one.
  static constexpr std::chrono::seconds settles_within{2};

 private:
  using Index = std::uint16_t;  // in nodes_, from 1; 0: none
  [[nodiscard]] Index index_of(const api::HostPort& node);
  bool set(int slot, Index to);
  void forget_unused();

  std::array<Index, slot_count> slots_{};
  std::vector<api::HostPort> nodes_;
  std::map<int, TimePoint> moved_;  // when MOVED told of a slot, as long as that counts
  bool known_ = false;
};

}  // namespace mx_rmq::redis
