#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <span>
#include <vector>

#include "broker/produce/produce_entry.hpp"

namespace mx_rmq::broker {

/// The messages that wait to join a batch, in the order in which they were submitted. Loop thread
/// only.
class ProduceLine {
 public:
  explicit ProduceLine(runtime::EventLoop& loop) noexcept : loop_(loop) {}

  [[nodiscard]] bool empty() const noexcept { return entries_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  [[nodiscard]] ProduceEntry& front() const noexcept { return *entries_.front(); }
  /// Of the foremost: as deadlines do not fall, nobody's comes before it. TimePoint::max() if
  /// nobody waits.
  [[nodiscard]] runtime::TimePoint first_deadline() const noexcept;

  /// All of them or, if it throws, none.
  void push(std::span<ProduceEntry> entries);
  /// Takes the last `count` away again.
  void drop_last(std::size_t count);
  void pop_front() { entries_.pop_front(); }
  /// Each to its old place; they are in the order of their submission.
  void give_back(const std::vector<ProduceEntry*>& entries);

  /// Those that may move end as Produced::moved.
  void move_away();
  void fail_front(std::exception_ptr error);
  void fail_all(const std::exception_ptr& error);

 private:
  runtime::EventLoop& loop_;
  std::deque<ProduceEntry*> entries_;
  std::uint64_t submitted_ = 0;
};

}  // namespace mx_rmq::broker
