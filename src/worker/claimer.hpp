#pragma once

#include <deque>
#include <functional>

#include "mx_rmq/task.hpp"
#include "runtime/event.hpp"
#include "runtime/scope.hpp"
#include "worker/runner.hpp"
#include "worker/shared.hpp"

namespace mx_rmq::worker {

/// Fills the local queue: claims for one topic after the other, as long as there is room and Redis
/// has something. Keeps the alarms of delayed messages. Loop thread only.
class Claimer {
 public:
  /// What the claimer finds out by the way.
  struct Hooks {
    std::function<void(Topic&, std::string)> lapsed;  // a consumer whose lease ran out
    std::function<void(Topic&)> suspects;             // Topic::suspects was brought up to date
  };

  Claimer(Shared& shared, Runner& runner, runtime::Scope& scope, Hooks hooks);

  /// There may be something to claim in this topic.
  void want(Topic& topic);
  /// The same, and a claim is to be made even if there is no room: it moves delayed messages that are due, and
  /// tells of lapsed consumers.
  void want_even_without_room(Topic& topic);
  /// Starts every claim that can be made now.
  void pump();
  /// Room in the local queue that this topic may fill.
  [[nodiscard]] std::size_t room(const Topic& topic) const;

  /// No further claims (Shared::consuming is false); waits until none is under way, up to
  /// `deadline`. What a later one brings is given back.
  Task<> stop(runtime::TimePoint deadline);

 private:
  bool start(Topic& topic);
  bool linger(Topic& topic, std::size_t space);
  bool too_small();
  [[nodiscard]] std::size_t free_room() const;
  Task<> claim(Topic* topic, std::size_t room);
  void expect(Topic& topic, const Consumer::Claimed& claimed);
  void take_in(Topic& topic, Consumer::Claimed& claimed);
  void set_alarm(Topic& topic, std::int64_t due_ms);  // below 0: we keep none
  void pause(Topic& topic);

  Shared& shared_;
  Runner& runner_;
  runtime::Scope& scope_;
  const Hooks hooks_;
  std::deque<Topic*> ring_;  // topics that want a claim, the one whose turn is next in front
  std::size_t alarms_ = 0;   // topics whose alarm is due
  std::size_t under_way_ = 0;
  runtime::TimePoint claimed_at_{};  // when the last claim of any topic was answered
  runtime::TimerId later_;           // until then small claims are not made
  runtime::Event none_under_way_;
};

}  // namespace mx_rmq::worker
