#pragma once

#include <coroutine>
#include <cstddef>
#include <deque>
#include <exception>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "broker/calls_produce.hpp"
#include "broker/producer.hpp"
#include "runtime/event.hpp"

namespace mx_rmq::broker {

/// Messages whose submitter waits for all of them; lives in its frame.
class ProduceGroup {
 public:
  explicit ProduceGroup(std::size_t messages) noexcept : left_(messages) {}

  bool await_ready() const noexcept { return left_ == 0; }
  void await_suspend(std::coroutine_handle<> awaiter) noexcept { awaiter_ = awaiter; }
  void await_resume() const noexcept {}

  void one_done(runtime::EventLoop& loop) {
    if (--left_ == 0 && awaiter_) loop.defer(std::exchange(awaiter_, {}));
  }

 private:
  std::size_t left_;
  std::coroutine_handle<> awaiter_;
};

/// A message under way; lives in its submitter's frame until its outcome is set.
struct ProduceEntry {
  const OutgoingEnvelope* message = nullptr;
  TimePoint deadline{};
  ProduceGroup* group = nullptr;
  ProduceOutcome outcome;
};

/// The state of a producer; held by it and by the coroutine that sends its batches.
class Producer::Core {
 public:
  Core(runtime::Scope& scope, ScriptCaller caller, const TopicKeys& keys, ProducerOptions options);
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  static Task<Produced> submit_one(std::shared_ptr<Core> self, OutgoingEnvelope message,
                                   TimePoint deadline);
  static Task<std::vector<ProduceOutcome>> submit_many(std::shared_ptr<Core> self,
                                                       std::vector<OutgoingEnvelope> messages,
                                                       TimePoint deadline);
  static Task<> close(std::shared_ptr<Core> self, TimePoint deadline);
  /// Ends everybody's wait now.
  void abandon();

  const ProducerOptions& options() const noexcept { return options_; }
  std::size_t pending() const noexcept { return waiting_.size(); }
  std::size_t in_flight() const noexcept { return batch_.size(); }
  ProducerCounts counts() const noexcept { return counts_; }

 private:
  struct Attempt;

  static void enqueue(const std::shared_ptr<Core>& self, std::span<ProduceEntry> entries);

  // producer_pump.cpp: sending.
  static Task<> pump(std::shared_ptr<Core> self);
  static Task<> pump_until_empty(std::shared_ptr<Core> self);
  static Task<bool> connect(std::shared_ptr<Core> self);
  static Task<bool> deliver(std::shared_ptr<Core> self);
  static Task<Attempt> try_once(std::shared_ptr<Core> self, redis::Command command,
                                TimePoint deadline);
  void apply(const ProduceReply& reply, const ProduceCommand& command);
  bool give_up(const Attempt& attempt);
  void dissolve(const std::exception_ptr& error);

  // producer.cpp: who waits for what, and how long.
  void finish(ProduceEntry& entry, Produced result);
  void fail(ProduceEntry& entry, std::exception_ptr error);
  void fail_waiting(const std::exception_ptr& error);
  void fail_batch(const std::exception_ptr& error);
  void renew_id();
  [[nodiscard]] bool batch_open() const noexcept;
  [[nodiscard]] TimePoint first_deadline() const noexcept;
  [[nodiscard]] TimePoint last_deadline() const noexcept;
  [[nodiscard]] std::exception_ptr too_late() const;
  void expire();
  void arm_timer();

  runtime::EventLoop& loop() const noexcept { return caller_.loop(); }
  redis::Lane& lane() const noexcept { return caller_.lane(); }

  runtime::Scope& scope_;
  const ScriptCaller caller_;
  const TopicKeys& keys_;
  ProducerOptions options_;
  std::string key_;  // of this producer's last number

  std::deque<ProduceEntry*> waiting_;
  std::vector<ProduceEntry*> batch_;  // under way; nullptr: has its outcome
  std::uint64_t number_ = 0;          // of the last batch made
  bool maybe_applied_ = false;        // a copy of the batch may have been executed
  std::exception_ptr trouble_;        // Redis's last refusal for the time being
  bool running_ = false;
  bool closing_ = false;
  runtime::Event idle_;
  runtime::TimerId timer_;
  TimePoint timer_due_{};
  ProducerCounts counts_;
};

}  // namespace mx_rmq::broker
