#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "broker/scripts/calls_settle.hpp"
#include "mx_rmq/task.hpp"
#include "runtime/event.hpp"
#include "runtime/mono_clock.hpp"
#include "worker/delivery.hpp"

namespace mx_rmq::worker {

/// One message's way out of a consumer.
struct Settlement {
  enum class Kind : std::uint8_t { ack, retry, dead, release };

  std::shared_ptr<Delivery> delivery;
  Kind kind = Kind::ack;
  broker::AckKind ack = broker::AckKind::completed;
  std::chrono::milliseconds delay{0};  // retry
  std::string text;                    // retry, release: new head; dead: line
  std::string member;                  // dead: instead of the id, for what has none
};

/// Group commit of settlements: those that come while a call is under way form the next one,
/// grouped by kind. Each is sent again, unchanged, until it is answered; the consumer's gate says
/// when. Loop thread only.
class Settler {
 public:
  /// What the settler needs of its consumer.
  class Owner {
   public:
    virtual ~Owner() = default;
    /// Still held under the name it was taken under.
    virtual bool holds(const Delivery& delivery) const = 0;
    /// Sends one group, all of one kind (and of one AckKind). Completes when it is answered or its
    /// messages are lost; false if it was given up because the consumer is closing.
    virtual Task<bool> carry_out(std::vector<Settlement> group) = 0;
    /// A settlement of a message that is not held any more.
    virtual void refused(const Settlement& settlement) = 0;
  };

  explicit Settler(Owner& owner) : owner_(owner) {}

  void add(Settlement settlement) { waiting_.push_back(std::move(settlement)); }
  [[nodiscard]] bool empty() const noexcept { return waiting_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return waiting_.size(); }

  /// Sends what waits, and what comes meanwhile, until nothing is left or the consumer gives up.
  Task<> flush();

 private:
  std::vector<Settlement> next_group();

  Owner& owner_;
  std::deque<Settlement> waiting_;
};

}  // namespace mx_rmq::worker
