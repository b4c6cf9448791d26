#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "broker/topic_broker.hpp"
#include "mx_rmq/config.hpp"
#include "mx_rmq/task.hpp"
#include "redis/topology/route.hpp"
#include "runtime/event.hpp"
#include "runtime/event_loop.hpp"
#include "runtime/log.hpp"
#include "runtime/scope.hpp"
#include "worker/claim_size.hpp"
#include "worker/delivery.hpp"
#include "worker/lease.hpp"
#include "worker/listing.hpp"
#include "worker/look_again.hpp"
#include "worker/quarantine.hpp"
#include "worker/settler.hpp"

namespace mx_rmq::worker {

/// One queue's consumer at one source: carries out over its route what Lease, ClaimSize and Settler
/// decide. Claims, keeps the lease by tending, sends settlements until they are answered. Loop
/// thread only; all tasks end on it. leave() and the end of the scope it was started in come before
/// it is destroyed.
class Consumer {
 public:
  /// Told of each message that was lost: it is somebody else's by now, and gone already.
  using Lost = std::function<void(const std::shared_ptr<Delivery>&)>;

  /// What is passed by reference must outlive it.
  Consumer(Source& source, broker::TopicBroker& broker, const MQConfig& config,
           Quarantine::Member& member, LookAgain& look_again, Lost lost);
  ~Consumer();
  Consumer(const Consumer&) = delete;
  Consumer& operator=(const Consumer&) = delete;

  /// Begins to connect, and to tend in `scope`.
  void start(runtime::Scope& scope);

  // --- claims ---

  struct Claimed {
    enum class State : std::uint8_t { ok, lost, unavailable };
    State state = State::unavailable;  // unavailable: Redis is; nothing is known
    broker::Claim::Reply result;       // ok: without the envelopes
    std::vector<std::shared_ptr<Delivery>> deliveries;
  };
  /// One may be sent: no other is under way and no tend is owed.
  [[nodiscard]] bool may_claim() const;
  /// Of at most so many messages; of fewer while larger claims are not answered (ClaimSize).
  Task<Claimed> claim(int most, Listing::Asked listing) { return take(most, listing, false); }
  /// One suspect, if there is one. `result.more` tells whether further ones wait.
  Task<Claimed> claim_suspect() { return take(1, {}, true); }
  /// What is wrong with its claims, if they have failed again and again; else empty. Other calls
  /// may be answered all the while.
  [[nodiscard]] std::string claim_trouble() const;

  // --- messages ---

  /// Sends it to Redis, again and again until that is answered or the message is lost.
  void settle(Settlement settlement);
  /// Gives back, by the next tend, a message that can be neither handled nor settled. For when
  /// memory has run out.
  void let_go(Delivery& delivery) noexcept;
  /// Whether the lease surely lasts for a while yet.
  [[nodiscard]] bool lease_lasts(runtime::TimePoint now) const;
  /// Waits until the lease surely holds; false if the message was lost or the consumer is closing.
  Task<bool> confirm_lease(std::shared_ptr<Delivery> delivery);
  [[nodiscard]] std::size_t unsettled() const noexcept { return settler_.size(); }

  // --- for other calls at the same source ---

  [[nodiscard]] runtime::TimePoint command_deadline() const;
  /// The most dead letters that this source keeps; 0: as many as there are.
  [[nodiscard]] std::int64_t dead_cap() const;
  /// Redis has answered one.
  void heard() { last_answer_ = loop_.now(); }
  /// One failed: a warning, one in a while.
  void failed(std::string_view call, std::string_view why);
  /// When Redis last answered.
  [[nodiscard]] runtime::TimePoint last_answer() const noexcept { return last_answer_; }

  // --- the end ---

  /// Nothing is to start any more: confirm_lease() gives up.
  void quiesce();
  /// Waits until nothing is unsettled, up to `deadline`; then gives up what is left, to its lease.
  Task<> drain(runtime::TimePoint deadline);
  [[nodiscard]] bool draining() const noexcept { return draining_; }
  /// After drain(): no more tending; leaves if it holds nothing.
  Task<> leave(runtime::TimePoint deadline);

  [[nodiscard]] const std::string& name() const noexcept { return lease_.name(); }
  /// The name without its incarnation: under this it is woken.
  [[nodiscard]] const std::string& alias() const noexcept { return lease_.id(); }
  [[nodiscard]] std::uint64_t leases_lost() const noexcept { return leases_lost_; }

 private:
  struct Asked;
  class ClaimUnderWay;
  struct SetAgain {
    void operator()(runtime::Event* event) const { event->set(); }
  };
  /// While settlements are being sent: idle_ is not set, and its end sets it.
  using Flushing = std::unique_ptr<runtime::Event, SetAgain>;
  /// The alarm for the next delayed message, as far as this consumer knows whether it keeps it.
  struct Alarm {
    std::int64_t due = 0;  // ms; 0 = we keep none
    bool unknown = false;  // a claim that may have given us one is under way, or was not answered
    [[nodiscard]] std::int64_t to_tell() const noexcept { return unknown ? -1 : due; }
  };

  void on_ready();
  [[nodiscard]] bool gate_open() const;

  Task<Claimed> take(int most, Listing::Asked listing, bool suspect);
  [[nodiscard]] Asked ask(int most, Listing::Asked listing, bool suspect);
  Task<broker::Claim::Reply> send_claim(const Asked& asked);  // `asked` outlives it
  void claim_failed(const Asked& asked, std::string_view why);
  Claimed accept(ClaimUnderWay& claim, broker::Claim::Reply result);
  std::vector<std::shared_ptr<Delivery>> hold(const Asked& asked,
                                              std::vector<std::string> envelopes);
  Task<> give_back_strays(std::string name, std::uint64_t claim, std::size_t count);

  Task<> tend_loop();
  Task<bool> tend_once();
  void lose(std::vector<Lease::Item> items);
  void held_changed();

  Task<> settle_loop(Flushing flushing);
  Task<> wait_for_gate();
  Task<bool> settle_once(const std::vector<Settlement>& group);
  void settled(const std::vector<Settlement>& group);
  void tell_refused();
  void note_dead_letters(std::int64_t count);

  runtime::EventLoop& loop_;
  redis::Route& route_;
  Source& source_;
  broker::TopicBroker& broker_;
  const MQConfig& config_;
  LookAgain& look_again_;
  const Lost lost_;
  const std::string topic_name_;
  const runtime::Duration command_timeout_;
  runtime::Scope* scope_ = nullptr;

  Lease lease_;
  Settler settler_;
  ClaimSize size_;
  Quarantine::Holding holding_;  // as much as the lease holds
  Alarm alarm_;
  int failed_claims_ = 0;  // in succession
  runtime::TimePoint failing_since_{};
  std::string claim_error_;  // of the last one that failed
  int slice_ = 32;

  runtime::Event open_;     // settlements may be sent over the connection of open_epoch_
  runtime::Event kick_;     // the tending has something to look at
  runtime::Event renewed_;  // pulses at each renewal, loss and close
  runtime::Event idle_;     // nothing is being sent that settles
  std::uint64_t ready_hook_ = 0;
  std::uint64_t open_epoch_ = 0;
  bool alarm_unsure_ = false;  // another server may have handed it out since
  bool quiet_ = false;         // quiesce()
  bool draining_ = false;      // settlements are given up at give_up_at_
  bool closed_ = false;        // leave()
  runtime::TimePoint give_up_at_{};
  runtime::TimePoint tended_at_{};
  runtime::TimePoint last_answer_{};
  std::uint64_t leases_lost_ = 0;
  bool warned_dead_letters_ = false;
  runtime::log::Every failure_gate_{std::chrono::seconds(10)};
};

}  // namespace mx_rmq::worker
