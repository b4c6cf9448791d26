#pragma once

#include <memory>
#include <string>
#include <vector>

#include "mx_rmq/config.hpp"
#include "mx_rmq/task.hpp"
#include "runtime/event.hpp"
#include "runtime/scope.hpp"
#include "worker/claimer.hpp"
#include "worker/runner.hpp"
#include "worker/source.hpp"

namespace mx_rmq::worker {

/// Watches at intervals whether consuming works: handlers close to their deadline, lapsed consumers
/// where sweeps are too rare to find them, and what health tells. Loop thread only.
class Monitor {
 public:
  using Sources = std::vector<std::unique_ptr<Source>>;

  Monitor(runtime::EventLoop& loop, const MQConfig& config, const Sources& sources,
          Claimer& claimer, Runner& runner, const redis::Client& client);

  void start(runtime::Scope& scope);
  void stop() { stopped_.set(); }

  /// What is wrong with consuming; empty if nothing. Each source hears from Redis at least once a
  /// sweep. Also told: that nobody can wake us, so that messages wait for up to a second.
  [[nodiscard]] std::string trouble() const;

 private:
  Task<> watch_loop();
  Task<> monitor_loop();
  Task<bool> pause(runtime::Duration duration);
  [[nodiscard]] std::string source_trouble() const;

  runtime::EventLoop& loop_;
  const MQConfig& config_;
  const Sources& sources_;
  Claimer& claimer_;
  Runner& runner_;
  const redis::Client& client_;
  runtime::Event stopped_;
};

}  // namespace mx_rmq::worker
