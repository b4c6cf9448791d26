#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "mx_rmq/config.hpp"
#include "mx_rmq/detail/erase_handler.hpp"
#include "mx_rmq/handler.hpp"
#include "mx_rmq/runtime.hpp"
#include "mx_rmq/task.hpp"
#include "redis/topology/client.hpp"
#include "runtime/event_loop.hpp"
#include "runtime/scope.hpp"
#include "worker/claimer.hpp"
#include "worker/look_again.hpp"
#include "worker/monitor.hpp"
#include "worker/partitions.hpp"
#include "worker/quarantine.hpp"
#include "worker/questions.hpp"
#include "worker/runner.hpp"
#include "worker/source.hpp"
#include "worker/suspects.hpp"
#include "worker/sweeper.hpp"
#include "worker/wake_ups.hpp"

namespace mx_rmq::worker {

/// The consuming side of one queue: its parts, which know of each other what they call, and its
/// start and stop. Made, used and destroyed on the loop thread; the runner's figures may be read
/// from any. stop(), then the client's close, then finish() come before it is destroyed. Handlers
/// that were given up keep it alive until they end.
class Engine : public std::enable_shared_from_this<Engine> {
 public:
  /// `client` is the engine's own.
  Engine(std::shared_ptr<Runtime> runtime, std::shared_ptr<redis::Client> client, MQConfig config,
         Quarantine& quarantine);
  ~Engine();

  void add(std::string topic, detail::ErasedHandler handler, const HandlerOptions& options);
  void start();

  /// No new claims; what has not started goes back; handlers get `timeout`, then their stop tokens
  /// fire; what still runs is given back, interrupted; the consumers leave. Never
  /// throws; takes little more than `timeout` whatever Redis does.
  Task<> stop(std::chrono::milliseconds timeout);
  /// The time that stop() gives, now or later, is over.
  void hurry() { runner_.hurry(); }
  /// After the client was closed.
  Task<> finish();

  /// By their ids.
  [[nodiscard]] const std::vector<std::unique_ptr<Topic>>& topics() const noexcept {
    return topics_;
  }
  [[nodiscard]] const std::vector<std::unique_ptr<Source>>& sources() const noexcept {
    return sources_;
  }
  [[nodiscard]] Runner& runner() noexcept { return runner_; }
  [[nodiscard]] const Runner& runner() const noexcept { return runner_; }
  /// Why consuming does not work; empty if it does.
  [[nodiscard]] std::string trouble() const { return monitor_.trouble(); }
  [[nodiscard]] std::uint64_t leases_lost() const;

 private:
  void add_source(const Topic& topic, int partition);
  void follow(const Topic& topic, std::int64_t version, std::int64_t paused_by);
  void begin(const Topic& topic);
  void begin(Source& source);
  Task<> leave_all(runtime::TimePoint deadline);
  Task<> drain_all(runtime::TimePoint deadline);
  void join_quarantine();

  const std::shared_ptr<Runtime> runtime_;
  const std::shared_ptr<redis::Client> client_;
  const MQConfig config_;
  runtime::EventLoop& loop_;
  Quarantine::Member member_;
  LookAgain look_again_;
  runtime::Scope scope_;
  std::vector<std::unique_ptr<Topic>> topics_;
  std::vector<std::unique_ptr<Source>> sources_;
  // A part may keep a reference to a later one, which it calls only after all have been made.
  Partitions partitions_;
  Runner runner_;
  Questions questions_;
  Suspects suspects_;
  Sweeper sweeper_;
  Claimer claimer_;
  WakeUps wake_ups_;
  Monitor monitor_;
  bool started_ = false;
};

}  // namespace mx_rmq::worker
