#pragma once

#include <array>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "broker/produce/produce_batch.hpp"
#include "broker/produce/producer.hpp"
#include "broker/scripts/calls_produce.hpp"
#include "runtime/event.hpp"

namespace mx_rmq::broker {

/// The state of a producer; held by it and by the coroutine that sends its batches.
class Producer::Core {
 public:
  Core(runtime::Scope& scope, ScriptCaller caller, const TopicKeys& keys, ProducerOptions options);
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  static Task<std::vector<ProduceOutcome>> submit_many(std::shared_ptr<Core> self,
                                                       std::vector<OutgoingEnvelope> messages,
                                                       TimePoint deadline);
  static Task<> close(std::shared_ptr<Core> self, TimePoint deadline);
  /// The entries and their messages must live until they have their outcome.
  static void enqueue(const std::shared_ptr<Core>& self, std::span<ProduceEntry> entries);
  /// Ends everybody's wait now.
  void abandon();

  const std::string& id() const noexcept { return senders_.front().id; }
  std::size_t pending() const noexcept { return waiting_.size(); }
  std::size_t in_flight() const noexcept;
  ProducerCounts counts() const noexcept { return counts_; }
  bool idle() const noexcept { return waiting_.empty() && idle_.is_set(); }
  std::uint64_t last_number() const noexcept;

 private:
  struct Attempt;

  /// Sends numbered batches, one at a time, under an id of its own: its number tells Redis what it has
  /// of this sender, whatever the others do.
  struct Sender {
    std::string id;
    std::string key;                   // of the number of the last batch applied
    std::vector<ProduceEntry*> batch;  // under way; nullptr: has its outcome
    std::string envelopes;             // memory of the batch being encoded
    std::uint64_t number = 0;          // of the last batch made
    bool maybe_applied = false;        // a copy of the batch may have been executed
    bool running = false;

    [[nodiscard]] bool batch_open() const noexcept;
    [[nodiscard]] TimePoint first_deadline() const noexcept;
    [[nodiscard]] TimePoint last_deadline() const noexcept;
    void end_batch() noexcept {
      batch.clear();
      maybe_applied = false;
    }
  };

  // producer_pump.cpp: sending. A sender lives as long as its core.
  static Task<> pump(std::shared_ptr<Core> self, Sender* sender);
  static Task<> pump_until_empty(std::shared_ptr<Core> self, Sender* sender);
  static Task<bool> connect(std::shared_ptr<Core> self);
  static Task<bool> deliver(std::shared_ptr<Core> self, Sender* sender);
  static Task<Attempt> try_once(std::shared_ptr<Core> self, redis::Command command,
                                TimePoint deadline);
  void fill(Sender& sender, ProduceBatch& encoded);
  void apply(Sender& sender, const ProduceReply& reply, const ProduceCommand& command);
  bool give_up(Sender& sender, const Attempt& attempt);
  void dissolve(Sender& sender, const std::exception_ptr& error);

  // producer.cpp: who waits for what, and how long.
  [[nodiscard]] bool worth_sending(const Sender& sender) const noexcept;
  static void start_senders(const std::shared_ptr<Core>& self);
  void finish(ProduceEntry& entry, Produced result);
  void fail(ProduceEntry& entry, std::exception_ptr error);
  void fail_waiting(const std::exception_ptr& error);
  void fail_batch(Sender& sender, const std::exception_ptr& error);
  void take_id(Sender& sender, std::string id);
  [[nodiscard]] std::exception_ptr too_late() const;
  void expire();
  void arm_timer();

  runtime::EventLoop& loop() const noexcept { return caller_.loop(); }
  redis::Lane& lane() const noexcept { return caller_.lane(); }

  runtime::Scope& scope_;
  const ScriptCaller caller_;
  const TopicKeys& keys_;
  ProducerOptions options_;

  std::deque<ProduceEntry*> waiting_;  // in the order of submission
  std::uint64_t submitted_ = 0;
  std::array<Sender, 3> senders_;
  std::exception_ptr trouble_;  // Redis's last refusal for the time being
  bool closing_ = false;
  runtime::Event idle_;
  runtime::TimerId timer_;
  TimePoint timer_due_{};
  ProducerCounts counts_;
};

}  // namespace mx_rmq::broker
