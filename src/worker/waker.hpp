#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "mx_rmq/task.hpp"
#include "redis/topology/blocking_lane.hpp"
#include "runtime/event.hpp"
#include "runtime/scope.hpp"
#include "worker/claimer.hpp"
#include "worker/shared.hpp"

namespace mx_rmq::worker {

/// Waits at Redis for the markers of topics that have room and no known backlog: connections that
/// block, at most 64 topics each. A marker is a duty: it leads to a claim, or is armed again. Loop
/// thread only.
class Waker {
 public:
  Waker(Shared& shared, Claimer& claimer, runtime::Scope& scope);
  ~Waker();
  Waker(const Waker&) = delete;
  Waker& operator=(const Waker&) = delete;

  void add(Topic& topic);
  /// Starts waiting for what was added and is not waited for yet.
  void start();
  /// Room or backlogs have changed: waits that leave out a topic they should name are ended and
  /// begun anew.
  void update();
  /// Ends all waits, up to `deadline`. Topic::marker is true for topics whose marker came
  /// meanwhile; what comes after Topic::left is armed again.
  Task<> stop(runtime::TimePoint deadline);
  /// After the client was closed, which ends the others.
  Task<> finish();

 private:
  struct Group;
  /// How a wait ended that was not answered as it should be.
  struct Failed {
    enum class Kind : std::uint8_t { unanswered, demoted, other };
    Kind kind = Kind::other;
    std::string why{};  // empty: it did not fail
  };

  Task<> wait_loop(std::shared_ptr<Group> group);
  Task<> interrupt(std::shared_ptr<Group> group);
  std::vector<Topic*> eligible(Group& group) const;
  bool stale(Group& group) const;
  void taken(Group& group, const std::string& key);
  static void log_failed(Group& group, const Failed& failed, std::size_t topics);
  Task<> hand_on(Topic* topic);

  Shared& shared_;
  Claimer& claimer_;
  runtime::Scope& scope_;
  std::vector<std::shared_ptr<Group>> groups_;
  std::size_t waiting_ = 0;
  runtime::Event none_waits_;
  bool stopping_ = false;
};

}  // namespace mx_rmq::worker
