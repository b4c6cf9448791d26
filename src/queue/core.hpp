#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "mx_rmq/queue.hpp"
#include "queue/access.hpp"
#include "queue/hooks.hpp"
#include "queue/metrics_server.hpp"
#include "queue/redis_wait.hpp"
#include "queue/seams.hpp"
#include "redis/topology/client.hpp"
#include "redis/topology/shared.hpp"
#include "runtime/event.hpp"
#include "runtime/event_loop.hpp"
#include "worker/engine.hpp"

namespace mx_rmq::detail {

/// The body of RedisMessageQueue: its handlers, its life, and the wiring of its parts. Shared by
/// the facade, its handles and every task under way. What is done with it besides (produce_calls,
/// topic_calls, dead_letters, metrics, health, foreground) are functions that hold it. Members are
/// for the loop thread unless said otherwise.
class QueueCore : public std::enable_shared_from_this<QueueCore> {
 public:
  QueueCore(MQConfig config, std::shared_ptr<Runtime> runtime, queue::Seams seams = {});
  ~QueueCore();

  // --- any thread ---

  [[nodiscard]] runtime::EventLoop& loop() noexcept { return loop_; }
  [[nodiscard]] Runtime& runtime() noexcept { return *runtime_; }
  [[nodiscard]] const MQConfig& config() const noexcept { return config_; }
  void add_handler(std::string topic, ErasedHandler handler, HandlerOptions options);
  [[nodiscard]] std::vector<std::string> topics() const;
  [[nodiscard]] queue::HookList& hooks() noexcept { return hooks_; }
  [[nodiscard]] QueueStatus status() const;
  [[nodiscard]] bool running() const noexcept { return running_.load(); }

  // Each is a task that may be awaited anywhere; it ends on the loop thread.
  Task<> initialize();
  Task<> start_background();
  Task<> stop();
  Task<> cleanup();

  // --- loop thread ---

  /// The way to Redis for everything but consuming.
  [[nodiscard]] queue::Access& access() noexcept { return access_; }
  [[nodiscard]] queue::RedisWait& redis_wait() noexcept { return redis_wait_; }
  /// Redis answers, and is a master; throws if not. `Unfit::tell`: as soon as it is known that what
  /// is there cannot be used; else at the deadline, because that may change.
  enum class Unfit : bool { tell, wait };
  Task<> ping(runtime::TimePoint deadline, Unfit what);
  /// What some connection found instead of a master that serves us, and what to write instead;
  /// empty if none did.
  [[nodiscard]] std::string unfit() const;
  /// "ok", or what is wrong with those that tell where Redis is; empty if nobody has to.
  [[nodiscard]] std::string discovery() const;
  /// The consuming side, while there is one.
  [[nodiscard]] const std::shared_ptr<worker::Engine>& engine() const noexcept { return engine_; }
  /// Whether it consumes that topic.
  [[nodiscard]] bool consumes(const std::string& topic) const {
    return engine_ != nullptr && adopted_.contains(topic);
  }
  /// Whether consuming was ever begun.
  [[nodiscard]] bool was_started() const noexcept { return was_started_; }
  /// Begins to answer; gives the port. cleanup() ends it.
  std::uint16_t serve_metrics(MetricsServerOptions options);
  /// Connections made anew since the queue was made.
  [[nodiscard]] std::int64_t reconnects() const;

  /// start_background() with the patience of an earlier moment. `core` is kept alive.
  static Task<> start_within(std::shared_ptr<QueueCore> core, queue::RedisWait::Patience patience);
  /// Set while it does not consume.
  [[nodiscard]] runtime::Event& stopped() noexcept { return stopped_; }
  /// Whether handlers get no more time to end, now or when the queue stops.
  void hurry(bool whether);

 private:
  struct Handler {
    ErasedHandler handler;
    HandlerOptions options;
  };

  /// A start, stop or cleanup that is under way: there is one at a time, others wait for settled_.
  class Change {
   public:
    explicit Change(QueueCore& core);
    ~Change();
    Change(const Change&) = delete;
    Change& operator=(const Change&) = delete;

   private:
    QueueCore& core_;
  };

  static Task<> run_initialize(std::shared_ptr<QueueCore> self);
  static Task<> run_start_background(std::shared_ptr<QueueCore> self);
  static Task<> run_stop(std::shared_ptr<QueueCore> self);
  static Task<> run_cleanup(std::shared_ptr<QueueCore> self);

  void adopt_handlers();
  Task<> begin(queue::RedisWait::Patience patience);
  Task<> end_engine();
  [[nodiscard]] runtime::TimePoint closing_deadline() const;
  [[nodiscard]] std::shared_ptr<redis::Client> make_client(std::size_t lanes);

  const MQConfig config_;
  const std::shared_ptr<Runtime> runtime_;
  const queue::Seams seams_;
  runtime::EventLoop& loop_;

  queue::HookList hooks_;  // any thread

  // Loop thread.
  redis::Shared shared_;
  queue::Access access_;
  queue::RedisWait redis_wait_;
  std::shared_ptr<redis::Client> engine_client_;
  std::shared_ptr<worker::Engine> engine_;
  std::optional<queue::HookList::Seal> hooks_sealed_;  // while there is an engine
  std::unordered_set<std::string> adopted_;            // topics that engine_ has
  std::vector<std::unique_ptr<queue::MetricsServer>> metrics_servers_;
  std::uint64_t engine_reconnects_ = 0;  // of clients that are gone
  bool was_started_ = false;
  bool hurried_ = false;    // see hurry()
  bool changing_ = false;   // see Change
  runtime::Event settled_;  // set while no change is under way
  runtime::Event stopped_;

  // Any thread.
  mutable std::mutex mutex_;
  std::map<std::string, Handler> handlers_;
  std::atomic<bool> running_{false};
  std::atomic<bool> initialized_{false};
  std::atomic<bool> shutting_down_{false};
  std::atomic<std::int64_t> started_at_{0};         // monotonic ns; 0 = not running
  const worker::Engine* visible_engine_ = nullptr;  // under mutex_, for status()
};

}  // namespace mx_rmq::detail
