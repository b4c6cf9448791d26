#pragma once

#include <functional>
#include <string>

#include "mx_rmq/task.hpp"
#include "runtime/event.hpp"
#include "runtime/scope.hpp"
#include "worker/claimer.hpp"
#include "worker/runner.hpp"
#include "worker/shared.hpp"

namespace mx_rmq::worker {

/// What is done at intervals: sweeps, taking over from consumers whose lease ran out, watching the
/// handlers. Loop thread only.
class Upkeep {
 public:
  Upkeep(Shared& shared, Claimer& claimer, Runner& runner, runtime::Scope& scope,
         std::function<void()> suspects_told);

  void start();
  void add(Topic& topic);
  /// A reply told of a consumer whose lease ran out.
  void lapsed(Topic& topic, std::string consumer);
  /// How many dead letters a topic has now.
  void dead_letters(Topic& topic, std::int64_t count);
  /// All loops end.
  void stop();

  /// What is wrong with consuming; empty if nothing. Each topic hears from Redis at least once a
  /// sweep.
  [[nodiscard]] std::string trouble() const;

 private:
  Task<> sweep_loop(Topic* topic);
  Task<> reap(Topic* topic, std::string consumer);
  Task<> watch_loop();
  Task<> monitor_loop();
  Task<bool> pause(runtime::Duration duration);

  Shared& shared_;
  Claimer& claimer_;
  Runner& runner_;
  runtime::Scope& scope_;
  const std::function<void()> suspects_told_;
  runtime::Event stopped_;
  std::string trouble_;
};

}  // namespace mx_rmq::worker
