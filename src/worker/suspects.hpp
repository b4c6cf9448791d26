#pragma once

#include "mx_rmq/task.hpp"
#include "runtime/event.hpp"
#include "runtime/scope.hpp"
#include "worker/runner.hpp"
#include "worker/shared.hpp"

namespace mx_rmq::worker {

/// Runs suspects, one at a time, while the process holds nothing else (see Quarantine). An idle
/// process does so at once, a busy one after a random part of a lease, so that idle ones come
/// first. Loop thread only.
class Suspects {
 public:
  Suspects(Shared& shared, Runner& runner, runtime::Scope& scope);

  /// Topic::suspects was brought up to date.
  void told();
  /// The quarantine is ours.
  void granted();
  /// Messages of this queue are not held any more.
  void dropped();
  /// Nothing further is asked for, and none that runs is waited for.
  void stop();

 private:
  [[nodiscard]] bool any() const;
  void ask();
  void ask_later();
  Task<> run_all();
  Task<bool> run_next(Topic* topic);

  Shared& shared_;
  Runner& runner_;
  runtime::Scope& scope_;
  runtime::TimerId timer_;
  runtime::Event nothing_held_;
  bool wanted_ = false;
  bool stopped_ = false;
  int failures_ = 0;  // of the topic under way, in succession
};

}  // namespace mx_rmq::worker
