#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "broker/scripts/calls_settle.hpp"
#include "worker/delivery.hpp"
#include "worker/lease.hpp"
#include "worker/retry_policy.hpp"

namespace mx_rmq::worker {

/// One message's way out of a consumer.
struct Settlement {
  std::shared_ptr<Delivery> delivery;
  Ending ending = Ending::ack;
  broker::AckKind ack = broker::AckKind::completed;
  std::chrono::milliseconds delay{0};  // retry
  std::string text;                    // retry, release: new head; dead: line
  std::string member;                  // dead: instead of the id, for what has none
};

/// Decides which settlements the next call holds: those that come while a call is under way form
/// the following ones, grouped by how they end. A call that was not answered is made again,
/// unchanged but for messages that were lost meanwhile. Pure. Thread: one.
class Settler {
 public:
  /// `lease` says what is held still; it must outlive this.
  explicit Settler(const Lease& lease) noexcept : lease_(lease) {}

  void add(Settlement settlement) { waiting_.push_back(std::move(settlement)); }

  /// What is to be sent now, all of one ending (and of one AckKind); empty if nothing is left.
  /// Stays as it is until the next call of next() or answered().
  const std::vector<Settlement>& next();
  /// That was answered. Gives what of it is held still, which it settled.
  std::vector<Settlement> answered();
  /// What next() has taken out because it is not held any more.
  [[nodiscard]] std::vector<Settlement> take_refused() { return std::exchange(refused_, {}); }

  /// How many are not answered.
  [[nodiscard]] std::size_t size() const noexcept { return waiting_.size() + group_.size(); }

 private:
  void refuse_lost(std::vector<Settlement>& from);
  [[nodiscard]] bool holds(const Settlement& each) const;

  const Lease& lease_;
  std::deque<Settlement> waiting_;
  std::vector<Settlement> group_;  // sent, or about to be
  std::vector<Settlement> refused_;
};

}  // namespace mx_rmq::worker
