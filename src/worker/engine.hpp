#pragma once

#include <chrono>
#include <cstddef>
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
#include "worker/claimer.hpp"
#include "worker/runner.hpp"
#include "worker/shared.hpp"
#include "worker/suspects.hpp"
#include "worker/upkeep.hpp"
#include "worker/waker.hpp"

namespace mx_rmq::worker {

/// The consuming side of one queue, wired together. Made, used and destroyed on the loop thread;
/// status figures may be read from any. stop(), then the client's close, then finish() come before
/// it is destroyed. Handlers that were given up keep it alive until they end.
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

  [[nodiscard]] Shared& shared() noexcept { return shared_; }
  [[nodiscard]] const Shared& shared() const noexcept { return shared_; }
  /// Why consuming does not work; empty if it does.
  [[nodiscard]] std::string trouble() const;
  [[nodiscard]] std::uint64_t leases_lost() const;

 private:
  void begin(Topic& topic);
  Task<> leave_all(runtime::TimePoint deadline);
  Task<> drain_all(runtime::TimePoint deadline);
  void join_quarantine();
  void work();

  const std::shared_ptr<Runtime> runtime_;
  Shared shared_;
  std::unique_ptr<runtime::Scope> scope_;
  Runner runner_;
  Claimer claimer_;
  Waker waker_;
  Suspects suspects_;
  Upkeep upkeep_;
  bool started_ = false;
  bool work_posted_ = false;
};

}  // namespace mx_rmq::worker
