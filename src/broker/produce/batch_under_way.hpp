#pragma once

#include <cstddef>
#include <exception>
#include <vector>

#include "broker/produce/produce_entry.hpp"
#include "broker/scripts/calls_produce.hpp"

namespace mx_rmq::broker {

/// The messages of one batch that is being sent. Each gets its outcome when it is known, or when
/// its time is over, while the batch goes on for the others. Loop thread only.
class BatchUnderWay {
 public:
  explicit BatchUnderWay(runtime::EventLoop& loop) noexcept : loop_(loop) {}

  void add(ProduceEntry& entry) { entries_.push_back(&entry); }
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  [[nodiscard]] bool empty() const noexcept { return entries_.empty(); }
  /// Some have no outcome yet.
  [[nodiscard]] bool is_open() const noexcept;
  /// Of those without an outcome.
  [[nodiscard]] runtime::TimePoint first_deadline() const noexcept;
  [[nodiscard]] runtime::TimePoint last_deadline() const noexcept;

  /// A copy of it may have been executed: from now on nobody may be told "not sent".
  void set_maybe_applied() noexcept { maybe_applied_ = true; }
  [[nodiscard]] bool maybe_applied() const noexcept { return maybe_applied_; }

  /// Redis has answered: tells everybody, and ends the batch.
  void apply(const Produce::Reply& reply, const std::vector<std::uint32_t>& special);
  /// Redis has answered that it stored nothing, as other settings count, and will store no copy.
  void give_all(Produced result);
  void fail_all(const std::exception_ptr& error);
  /// Those whose deadline has come.
  void fail_late(runtime::TimePoint now, const std::exception_ptr& error);
  /// Surely nothing of it was executed: those whose deadline has come get `error` if there is one,
  /// the others are given back, in their order, and the batch ends.
  [[nodiscard]] std::vector<ProduceEntry*> dissolve(runtime::TimePoint now,
                                                    const std::exception_ptr& error);
  void end() noexcept;

 private:
  runtime::EventLoop& loop_;
  std::vector<ProduceEntry*> entries_;  // nullptr: has its outcome
  bool maybe_applied_ = false;
};

}  // namespace mx_rmq::broker
