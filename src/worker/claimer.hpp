#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>

#include "mx_rmq/config.hpp"
#include "mx_rmq/task.hpp"
#include "runtime/backoff.hpp"
#include "runtime/event.hpp"
#include "runtime/scope.hpp"
#include "worker/look_again.hpp"
#include "worker/quarantine.hpp"
#include "worker/source.hpp"

namespace mx_rmq::worker {

class Runner;
class Suspects;
class Sweeper;

/// Fills the local queue: claims from one source after the other, as long as there is room and
/// Redis has something. Keeps the alarms of delayed messages. Loop thread only.
class Claimer {
 public:
  /// Whom it tells of what claims bring: messages, suspects, consumers whose lease ran out.
  struct Others {
    Runner& runner;
    Suspects& suspects;
    Sweeper& sweeper;
  };
  Claimer(runtime::EventLoop& loop, const MQConfig& config, Quarantine::Member& member,
          LookAgain& look_again, runtime::Scope& scope, Others others);
  ~Claimer();
  Claimer(const Claimer&) = delete;
  Claimer& operator=(const Claimer&) = delete;

  /// Claims are made from now on.
  void start() noexcept { consuming_ = true; }
  void add(Source& source);
  /// There may be something to claim.
  void want(const Source& source) { want(of(source)); }
  /// Claims, even if there is no room, where no claim was answered for so long: that moves delayed
  /// messages that are due, and tells of lapsed consumers.
  void claim_where_silent(runtime::Duration interval);
  /// Starts every claim that can be made now.
  void pump();

  // --- for who waits for markers ---

  /// A wait is to name its marker: there is room, and nothing is known to be left.
  [[nodiscard]] bool wants_marker(const Source& source) const;
  /// The marker was taken here. True: a claim follows. False: there is no room, so somebody else
  /// should have the marker; here it is claimed, without one, when there is.
  bool marker_came(const Source& source);
  /// Numbers of the last claim that was sent and of the last one that was answered.
  [[nodiscard]] std::uint64_t last_sent(const Source& source) const { return of(source).sent; }
  [[nodiscard]] std::uint64_t last_answered(const Source& source) const {
    return of(source).answered;
  }

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
    bool wanted = true;  // there may be something to claim
    bool again = false;  // asked for while a claim was under way
    bool claiming = false;
    bool backlog = false;  // the last claim left something: no marker is needed to know
    bool in_ring = false;
    bool alarm_due = false;    // a claim is to be made even if there is no room
    std::size_t reserved = 0;  // room that the claim under way may fill
    static constexpr std::size_t expected_at_first = 128;
    std::size_t expected = expected_at_first;  // the most that the next claim asks for
    std::uint64_t sent = 0;                    // claims
    std::uint64_t answered = 0;                // the number of the last one that was
    runtime::TimePoint answered_at{};
    std::uint64_t ready_hook = 0;
    runtime::TimerId alarm;
    runtime::TimerId retry;  // until then no claim is made
    runtime::Backoff pause{std::chrono::milliseconds(10), std::chrono::seconds(1)};
    bool failed = false;  // the last claim did: the pause is not cut short
  };
  class UnderWay;

  [[nodiscard]] Record& of(const Source& source) { return records_[source.id]; }
  [[nodiscard]] const Record& of(const Source& source) const { return records_[source.id]; }

  void want(Record& record);
  void want_even_without_room(Record& record);
  bool start(Record& record);
  bool linger(Record& record, std::size_t space);
  bool too_small();
  [[nodiscard]] std::size_t free_room() const;
  [[nodiscard]] std::size_t room(const Record& record) const;
  [[nodiscard]] std::size_t capacity() const noexcept;
  Task<> claim(UnderWay under_way);
  void claimed(Record& record, std::uint64_t number, Consumer::Claimed& what);
  void set_alarm(Record& record, std::int64_t due_ms);  // below 0: we keep none
  void pause(Record& record);

  runtime::EventLoop& loop_;
  const MQConfig& config_;
  Quarantine::Member& member_;
  LookAgain& look_again_;
  runtime::Scope& scope_;
  const Others others_;
  std::deque<Record> records_;  // by source
  std::deque<Record*> ring_;    // that want a claim, the one whose turn is next in front
  std::size_t alarms_ = 0;      // records whose alarm is due
  std::size_t reserved_ = 0;    // room that claims under way may fill
  std::size_t under_way_ = 0;
  runtime::TimePoint answered_at_{};  // when the last claim of any source was
  runtime::TimerId later_;            // until then small claims are not made
  runtime::Event none_under_way_;
  bool consuming_ = false;
};

}  // namespace mx_rmq::worker
