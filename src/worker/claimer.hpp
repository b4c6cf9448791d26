#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "mx_rmq/config.hpp"
#include "mx_rmq/task.hpp"
#include "runtime/backoff.hpp"
#include "runtime/event.hpp"
#include "runtime/scope.hpp"
#include "worker/listing.hpp"
#include "worker/look_again.hpp"
#include "worker/next_guess.hpp"
#include "worker/prefetch.hpp"
#include "worker/quarantine.hpp"
#include "worker/source.hpp"

namespace mx_rmq::worker {

class Partitions;
class Runner;
class Suspects;
class Sweeper;
class WakeUps;

/// Fills the local queue: claims from one source after the other, as long as there is room and
/// Redis has something; and has a source's consumer listed as idle when Redis has nothing more.
/// Keeps the alarms of delayed messages. Loop thread only.
class Claimer {
 public:
  /// Whom it tells of what claims bring: messages, suspects, consumers whose lease ran out,
  /// versions of settings; and who passes on wake-ups for which no claim can be made.
  struct Others {
    Runner& runner;
    Suspects& suspects;
    Sweeper& sweeper;
    WakeUps& wake_ups;
    Partitions& partitions;
  };
  Claimer(runtime::EventLoop& loop, const MQConfig& config, Quarantine::Member& member,
          LookAgain& look_again, runtime::Scope& scope, Others others);
  ~Claimer();
  Claimer(const Claimer&) = delete;
  Claimer& operator=(const Claimer&) = delete;

  /// Claims are made from now on.
  void start() noexcept { consuming_ = true; }
  void add(const Topic& topic);
  /// Its topic was added before.
  void add(Source& source);
  /// There may be something to claim.
  void want(const Source& source) { want(of(source)); }
  /// Claims, even if there is no room, where no claim was answered for so long: that moves delayed
  /// messages that are due, and tells of lapsed consumers.
  void claim_where_silent(runtime::Duration interval);
  /// Starts every claim that can be made now.
  void pump();

  // --- waking ---

  /// Its channel is heard from now on.
  void hears(const Source& source, std::uint64_t epoch);
  void hears_nothing(const Source& source);
  /// Somebody says that there is work; it was passed on `hops` times. A claim follows, or it is
  /// passed on.
  void woken(const Source& source, int hops);
  /// A sweep has found that something is to be claimed; whether our consumer is in the idle set.
  void swept(const Source& source, bool waits, bool listed);

  [[nodiscard]] bool consuming() const noexcept { return consuming_; }
  /// No further claims.
  void close();
  /// Waits until none is under way, up to `deadline`. What a later one brings is given back.
  Task<> wait_idle(runtime::TimePoint deadline);

 private:
  /// What the claimer knows of a source.
  struct Record {
    explicit Record(Source& of) : source(of) {}

    Source& source;
    bool wanted = true;  // there may be something to claim, or it must be listed
    bool again = false;  // asked for while a claim was under way
    bool claiming = false;
    bool in_ring = false;
    bool alarm_due = false;  // a claim is to be made even if there is no room
    bool relists = false;    // wanted only because a new epoch of its subscription began
    bool guess = false;      // wanted only because messages came in a stream
    bool guessed = false;    // the claim under way is a guess
    NextGuess next_guess;
    Listing listing;
    std::optional<int> owed;   // hops of a wake-up after which no claim was sent yet
    bool passed_on = false;    // one was, for want of room, and no claim was sent since
    std::size_t reserved = 0;  // room that the claim under way may fill
    static constexpr std::size_t expected_at_first = 128;
    std::size_t expected = expected_at_first;  // the most that the next claim asks for
    std::uint64_t taken = 0;                   // messages
    runtime::TimePoint answered_at{};
    std::uint64_t ready_hook = 0;
    runtime::TimerId alarm;
    runtime::TimerId unheard;  // nobody would wake us: then it is wanted again
    runtime::TimerId retry;    // until then no claim is made
    runtime::Backoff pause{std::chrono::milliseconds(10), std::chrono::seconds(1)};
    bool failed = false;  // the last claim did: the pause is not cut short
  };
  /// What it knows of a topic.
  struct OfTopic {
    OfTopic(const Topic& of, const MQConfig& config) : topic(of), prefetch(config.lease) {}

    const Topic& topic;
    std::size_t reserved = 0;  // room that claims under way may fill
    Prefetch prefetch;
    bool too_many = false;            // of it waited when that was last looked at
    runtime::TimePoint place_from{};  // before it, it has a place only if nothing of it runs
  };
  /// Whose turn comes before whose.
  enum class Rank : std::uint8_t {
    woken,         // and nothing of it is here
    nothing_here,  // but it may have something
    any
  };
  class UnderWay;

  [[nodiscard]] Record& of(const Source& source) { return records_[source.id]; }
  [[nodiscard]] const Record& of(const Source& source) const { return records_[source.id]; }

  void want(Record& record);
  void want_even_without_room(Record& record);
  void want_to_relist(Record& record);
  void guess(Record& record, std::size_t got);
  template <class Change>
  void change_listing(Record& record, Change change);
  void start_claims();
  bool start_claims(Rank rank);
  bool start(Record& record);
  bool linger(Record& record, std::size_t space);
  bool too_small();
  void reserve(Record& record, std::size_t space);
  void unreserve(Record& record);
  [[nodiscard]] std::size_t free_room() const;
  [[nodiscard]] std::size_t room(const Record& record) const;
  [[nodiscard]] std::size_t kept_from(const Record& record, std::size_t free) const;
  [[nodiscard]] std::size_t here(const Topic& topic) const;
  [[nodiscard]] std::size_t to_be_here(const Topic& topic) const;
  [[nodiscard]] bool has_a_place(const Topic& topic) const;
  [[nodiscard]] bool automatic() const noexcept;
  [[nodiscard]] bool nothing_here(const Record& record) const;
  [[nodiscard]] Rank rank_of(const Record& record) const;
  [[nodiscard]] std::size_t capacity() const;
  Task<> claim(UnderWay under_way);
  void claimed(Record& record, const Listing::Asked& asked, runtime::TimePoint sent,
               Consumer::Claimed& what);
  void give_back_later();
  void give_back_what_waits_long();
  void next_claim(Record& record, const Listing::Asked& asked, const broker::Claim::Reply& result);
  void ask_later(Record& record);
  void pass_on();
  [[nodiscard]] bool comes_soon(const Record& record) const;
  void set_alarm(Record& record, std::int64_t due_ms);  // below 0: we keep none
  void pause(Record& record);

  runtime::EventLoop& loop_;
  const MQConfig& config_;
  Quarantine::Member& member_;
  LookAgain& look_again_;
  runtime::Scope& scope_;
  const Others others_;
  std::deque<Record> records_;  // by source
  std::deque<OfTopic> topics_;
  std::deque<Record*> ring_;    // that want a claim, the one whose turn is next in front
  std::vector<Record*> owing_;  // have been woken and owe a claim, or to pass it on
  std::size_t alarms_ = 0;      // records whose alarm is due
  std::size_t listed_ = 0;      // records that are
  std::size_t reserved_ = 0;    // room that claims under way may fill
  std::size_t under_way_ = 0;
  std::size_t relisting_ = 0;         // of those, only to be listed
  runtime::TimePoint answered_at_{};  // when the last claim of any source was
  runtime::TimerId later_;            // until then small claims are not made
  runtime::TimerId too_many_;         // whether too many wait is looked at then
  runtime::Event none_under_way_;
  bool consuming_ = false;
};

}  // namespace mx_rmq::worker
