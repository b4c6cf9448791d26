#pragma once

#include <deque>

#include "mx_rmq/config.hpp"
#include "mx_rmq/task.hpp"
#include "redis/connection/seams.hpp"
#include "runtime/event.hpp"
#include "runtime/scope.hpp"
#include "worker/during.hpp"
#include "worker/quarantine.hpp"
#include "worker/source.hpp"

namespace mx_rmq::worker {

class Runner;

/// Runs suspects, one at a time, while the process holds nothing else (see Quarantine). An idle
/// process does so at once, a busy one after a random part of a lease, so that idle ones come
/// first. Loop thread only.
class Suspects {
 public:
  Suspects(runtime::EventLoop& loop, redis::Rng& rng, const MQConfig& config,
           Quarantine::Member& member, Runner& runner, runtime::Scope& scope);

  void add(Source& source);
  /// A reply told whether some wait there.
  void told(const Source& source, bool some);
  /// The quarantine is ours.
  void granted();
  /// What this queue holds may have become less.
  void look();
  /// Nothing further is asked for, and none that runs is waited for.
  void stop();

 private:
  struct Record {
    Source& source;
    bool some = false;  // wait, as far as the last reply tells
  };

  [[nodiscard]] bool any() const;
  void ask_later();
  Task<> run_all(Raised running, Quarantine::Member::Turn turn);
  Task<bool> run_next(Record* record);

  runtime::EventLoop& loop_;
  redis::Rng& rng_;
  const MQConfig& config_;
  Quarantine::Member& member_;
  Runner& runner_;
  runtime::Scope& scope_;
  std::deque<Record> records_;     // by source
  Quarantine::Member::Turn turn_;  // asked for, and not begun
  bool running_ = false;
  runtime::TimerId timer_;
  runtime::Event nothing_held_;
  bool stopped_ = false;
  int failures_ = 0;  // at the source under way, in succession
};

}  // namespace mx_rmq::worker
