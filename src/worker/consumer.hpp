#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "broker/scripts/calls_claim.hpp"
#include "broker/scripts/calls_reap.hpp"
#include "broker/topic_broker.hpp"
#include "mx_rmq/task.hpp"
#include "redis/topology/lane.hpp"
#include "runtime/event.hpp"
#include "runtime/event_loop.hpp"
#include "runtime/log.hpp"
#include "runtime/scope.hpp"
#include "worker/claim_size.hpp"
#include "worker/delivery.hpp"
#include "worker/lease.hpp"
#include "worker/settler.hpp"

namespace mx_rmq::worker {

/// One queue's consumer on one topic: its claims, its lease, its settlements, over one lane.
/// Carries out what Lease decides. Loop thread only; all tasks end on it. stop() and the end of the
/// scope it was started in come before it is destroyed.
class Consumer final : private Settler::Owner {
 public:
  struct Options {
    std::chrono::milliseconds lease{30'000};
    std::chrono::milliseconds command_timeout{5'000};  // at most lease / 3 is used
    std::size_t claim_bytes = std::size_t{4} << 20;
    int batch_size = 100;       // most promoted, reaped or swept by one call
    std::int64_t dead_cap = 0;  // of the dead letters; 0 = none
    bool drop_expired = false;  // instead of dead-lettering them
  };

  /// What the worker is told.
  struct Hooks {
    std::function<void(std::shared_ptr<Delivery>)> lost;  // somebody else's by now; gone already
    std::function<void(std::size_t)> dropped;             // that many are not held any more
    std::function<void()> progress;                       // it may be able to claim now
    // It has a new connection, maybe to another server: what the last claim told may be wrong.
    std::function<void()> connected = [] {};
    std::function<void(std::int64_t)> dead_letters;  // how many there are in the topic
  };

  Consumer(runtime::EventLoop& loop, redis::Lane& lane, broker::TopicBroker& broker,
           std::size_t topic, std::string id, Options options, Hooks hooks);
  ~Consumer() override;

  /// Starts its upkeep in `scope`.
  void start(runtime::Scope& scope);

  // --- claims ---

  struct Claimed {
    enum class State : std::uint8_t { ok, lost, unavailable };
    State state = State::unavailable;  // unavailable: Redis is; nothing is known
    broker::ClaimResult result;        // ok: without the envelopes
    std::vector<std::shared_ptr<Delivery>> deliveries;
  };
  /// One may be sent: no other is under way and no tend is owed.
  [[nodiscard]] bool may_claim() const;
  /// Of at most so many messages; of fewer while larger claims are not answered (ClaimSize).
  Task<Claimed> claim(int most);
  /// One suspect, if there is one. `result.more` tells whether further ones wait.
  Task<Claimed> claim_suspect();

  // --- messages ---

  /// Sends it to Redis, again and again until that is answered or the message is lost.
  void settle(Settlement settlement);
  /// Whether the lease surely lasts for a while yet.
  [[nodiscard]] bool lease_lasts(runtime::TimePoint now) const;
  /// Waits until the lease surely holds; false if the message was lost or the consumer is closing.
  Task<bool> confirm_lease(std::shared_ptr<Delivery> delivery);
  [[nodiscard]] std::size_t held() const noexcept { return lease_.held(); }
  [[nodiscard]] std::size_t unsettled() const noexcept { return settler_.size() + carrying_; }

  // --- for others ---

  /// Takes over from a consumer whose lease ran out, to the end.
  Task<> reap(std::string victim);
  enum class Answer : std::uint8_t { result, refusal, none };
  /// One sweep, all its steps, and how the last of them was answered.
  Task<Answer> sweep(broker::SweepResult* last);
  /// Arms the marker that this queue took and cannot use. False: that failed, and was logged.
  Task<bool> arm();

  // --- the end ---

  /// Nothing is to start any more: confirm_lease() gives up.
  void quiesce();
  /// Waits until nothing is unsettled, up to `deadline`; then gives up what is left, to its lease.
  Task<> drain(runtime::TimePoint deadline);
  /// After drain(): no more upkeep; leaves if it holds nothing. `marker`: it took the marker.
  Task<> leave(bool marker, runtime::TimePoint deadline);

  [[nodiscard]] const std::string& name() const noexcept { return lease_.name(); }
  [[nodiscard]] const std::string& topic_name() const noexcept { return topic_name_; }
  [[nodiscard]] std::uint64_t leases_lost() const noexcept { return leases_lost_; }
  /// When Redis last answered this consumer.
  [[nodiscard]] runtime::TimePoint last_answer() const noexcept { return last_answer_; }
  /// What is wrong with its claims, if they have failed again and again; else empty. Other calls may be answered
  /// all the while.
  [[nodiscard]] std::string claim_trouble() const;

 private:
  bool holds(const Delivery& delivery) const override;
  Task<bool> carry_out(std::vector<Settlement> group) override;
  void refused(const Settlement& settlement) override;

  Task<> tend_loop();
  Task<bool> tend_once();
  Task<> flush_loop();
  struct Asked;
  Task<Claimed> take(int most, bool suspect);
  [[nodiscard]] Asked ask(int most, bool suspect);
  Task<broker::ClaimResult> send_claim(const Asked& asked);  // `asked` outlives it
  void claim_failed(const Asked& asked, bool unanswered, const std::string& error);
  std::vector<std::shared_ptr<Delivery>> hold(const Asked& asked,
                                              std::vector<std::string> envelopes);
  Task<> give_back_strays(std::string name, std::vector<broker::Tag> tags);
  Task<broker::SettleResult> send(const std::vector<Settlement>& group, runtime::TimePoint deadline,
                                  std::uint64_t epoch);

  void on_ready();
  void kick();
  void lose(std::vector<Lease::Item> items);
  void answered(const std::vector<Settlement>& group);
  void failed(const char* what, const std::string& why);
  [[nodiscard]] bool gate_open() const;
  [[nodiscard]] runtime::TimePoint command_deadline() const;

  runtime::EventLoop& loop_;
  redis::Lane& lane_;
  broker::TopicBroker& broker_;
  runtime::Scope* scope_ = nullptr;
  const std::size_t topic_;
  const std::string topic_name_;
  const Options options_;
  const Hooks hooks_;
  const runtime::Duration command_timeout_;

  Lease lease_;
  Settler settler_;
  ClaimSize size_;
  int failed_claims_ = 0;  // in succession
  runtime::TimePoint failing_since_{};
  std::string claim_error_;  // of the last one that failed
  runtime::Event open_;      // settlements may be sent over this connection
  runtime::Event kick_;      // the upkeep has something to look at
  runtime::Event renewed_;   // pulses at each renewal, loss and close
  runtime::Event idle_;      // set while nothing is unsettled
  std::uint64_t ready_hook_ = 0;
  std::uint64_t open_epoch_ = 0;
  std::size_t carrying_ = 0;
  bool flushing_ = false;
  bool quiet_ = false;    // quiesce()
  bool closing_ = false;  // drain() has begun: settlements are given up at give_up_at_
  bool closed_ = false;
  runtime::TimePoint give_up_at_{};
  runtime::TimePoint tended_at_{};
  runtime::TimePoint last_answer_{};
  std::int64_t own_alarm_ = 0;  // due ms; 0 = we keep none
  // A claim that may have given us one is under way, or was not answered.
  bool alarm_unknown_ = false;
  std::uint64_t sweeps_ = 0;
  std::uint64_t leases_lost_ = 0;
  int slice_ = 32;
  runtime::log::Every failure_gate_{std::chrono::seconds(10)};
};

}  // namespace mx_rmq::worker
