#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "broker/produce/producer.hpp"
#include "broker/topic_set.hpp"
#include "mx_rmq/queue.hpp"
#include "queue/seams.hpp"
#include "queue/topic_ports.hpp"
#include "redis/topology/client.hpp"
#include "redis/topology/role_watch.hpp"
#include "runtime/event.hpp"
#include "runtime/event_loop.hpp"
#include "runtime/scope.hpp"
#include "runtime/signal_waiter.hpp"
#include "worker/engine.hpp"

namespace mx_rmq::detail {

/// The body of RedisMessageQueue: its life, and the wiring of its parts. Shared by the facade, its
/// handles and every task under way. Members are for the loop thread unless said otherwise.
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
  [[nodiscard]] QueueStatus status() const;
  [[nodiscard]] bool running() const noexcept { return running_.load(); }
  [[nodiscard]] bool initialized() const noexcept { return initialized_.load(); }

  // Each is a task that may be awaited anywhere; it ends on the loop thread.
  Task<std::string> produce(std::string topic, broker::OutgoingEnvelope envelope);
  Task<std::vector<std::string>> produce_batch(std::vector<std::string> topics,
                                               std::vector<broker::OutgoingEnvelope> envelopes);
  Task<bool> cancel(std::string topic, std::string id);
  Task<bool> forget(std::string topic);
  Task<> initialize();
  Task<> start_background();
  /// Until stopped, by whomever, or a signal, or `duration` is over.
  Task<> start(std::optional<std::chrono::milliseconds> duration);
  Task<> stop();
  Task<> cleanup();

  // --- loop thread ---

  /// The topic's port; throws ShutdownError after cleanup(). To be made after a Use, and to end before it.
  [[nodiscard]] queue::TopicPorts::Use port(const std::string& topic);
  /// Redis answers, and is a master; throws if not. `Unfit::tell`: as soon as it is known that what is there
  /// cannot be used; else at the deadline, because that may change.
  enum class Unfit : bool { tell, wait };
  Task<> ping(runtime::TimePoint deadline, Unfit what);
  /// What some connection found instead of a master that serves us, and what to write instead; empty if none did.
  [[nodiscard]] std::string unfit() const;
  /// The consuming side, while there is one.
  [[nodiscard]] const std::shared_ptr<worker::Engine>& engine() const noexcept { return engine_; }
  /// Whether consuming was ever begun.
  [[nodiscard]] bool was_started() const noexcept { return was_started_; }

  /// A use of the ports: they stay until it ends. Throws ShutdownError after cleanup().
  class Use {
   public:
    explicit Use(std::shared_ptr<QueueCore> core);
    ~Use();
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    const std::shared_ptr<QueueCore> core_;
  };
  /// Connections made anew since the queue was made.
  [[nodiscard]] std::int64_t reconnects() const;

  /// Runs cleanup() by itself, keeping this alive until it is done. Any thread.
  static void cleanup_detached(std::shared_ptr<QueueCore> core);

 private:
  struct Handler {
    ErasedHandler handler;
    HandlerOptions options;
  };

  /// How long a call waits for a Redis that is not there, see MQConfig::wait_for_redis.
  struct Patience {
    std::uint64_t stops;  // stops_ when it was called
    runtime::TimePoint until = runtime::TimePoint::max();
  };
  /// One try to reach Redis, shared by the call that waits and by whoever ends its waiting.
  struct Attempt;

  static Task<std::string> run_produce(std::shared_ptr<QueueCore> self, std::string topic,
                                       broker::OutgoingEnvelope envelope);
  static Task<std::vector<std::string>> run_batch(std::shared_ptr<QueueCore> self,
                                                  std::vector<std::string> topics,
                                                  std::vector<broker::OutgoingEnvelope> envelopes);
  static Task<bool> run_cancel(std::shared_ptr<QueueCore> self, std::string topic, std::string id);
  static Task<bool> run_forget(std::shared_ptr<QueueCore> self, std::string topic);
  static Task<> run_initialize(std::shared_ptr<QueueCore> self);
  static Task<> start_patiently(std::shared_ptr<QueueCore> self);
  static Task<> run_start_background(std::shared_ptr<QueueCore> self, Patience patience);
  static Task<> run_start(std::shared_ptr<QueueCore> self,
                          std::optional<std::chrono::milliseconds> duration);
  static Task<> run_stop(std::shared_ptr<QueueCore> self);
  static Task<> heed_signals(std::shared_ptr<QueueCore> self,
                             std::shared_ptr<runtime::SignalWaiter> signals, runtime::Scope* scope);
  static Task<> run_cleanup(std::shared_ptr<QueueCore> self);

  /// Messages whose produce call is under way, of all topics (of a call in parts: one part); throws
  /// Overloaded beyond the bound.
  class Pending {
   public:
    Pending(QueueCore& core, std::size_t messages);
    ~Pending() { core_.pending_ -= messages_; }
    Pending(const Pending&) = delete;
    Pending& operator=(const Pending&) = delete;

   private:
    QueueCore& core_;
    const std::size_t messages_;
  };

  struct Batch;
  static Task<> submit_all(broker::Producer* producer, Batch* batch,
                           std::vector<std::size_t> places);
  Task<> submit_part(Batch* batch, std::size_t from, std::size_t end);
  Task<bool> remove_topic(broker::TopicBroker* broker, runtime::TimePoint deadline);

  void open();
  void adopt_handlers();
  void note(const std::string& topic, queue::TopicPort& port);
  Task<> note_topic(std::string topic);
  Task<> begin(Patience patience);
  /// Redis answers: within connect_timeout, or with wait_for_redis as late as it may be. Throws
  /// ShutdownError if the patience ended first.
  Task<> reach(Patience patience);
  static Task<> try_to_reach(std::shared_ptr<QueueCore> self, std::shared_ptr<Attempt> attempt,
                             runtime::TimePoint deadline);
  /// Ends the waiting of all calls made so far.
  void give_up_reaching();
  Task<> end_engine();
  /// Handlers get no more time to end, now or when the queue stops.
  void hurry();
  Task<> close_ports();
  Task<> enter_change();
  void leave_change();
  [[nodiscard]] runtime::TimePoint closing_deadline() const;

  [[nodiscard]] std::shared_ptr<redis::Client> make_client(std::size_t lanes) const;

  const MQConfig config_;
  const std::shared_ptr<Runtime> runtime_;
  const queue::Seams seams_;
  runtime::EventLoop& loop_;

  // Loop thread.
  const std::shared_ptr<redis::RoleWatch> watch_ = std::make_shared<redis::RoleWatch>();
  std::unique_ptr<runtime::Scope> scope_;
  std::shared_ptr<redis::Client> client_;  // for everything but consuming
  std::unique_ptr<broker::TopicSet> topic_set_;
  std::unique_ptr<queue::TopicPorts> ports_;
  std::shared_ptr<redis::Client> engine_client_;
  std::shared_ptr<worker::Engine> engine_;
  std::unordered_set<std::string> adopted_;  // topics that engine_ has
  std::uint64_t earlier_reconnects_ = 0;     // of clients that are gone
  bool closed_ = false;                      // cleanup() has been done
  bool was_started_ = false;
  bool hurried_ = false;  // see hurry()
  std::size_t uses_ = 0;
  std::size_t pending_ = 0;         // see Pending
  runtime::Event unused_;           // set while uses_ is 0
  std::weak_ptr<Attempt> attempt_;  // of the change under way
  std::uint64_t stops_ = 0;         // stops, cleanups and signals so far
  bool changing_ = false;           // a start, stop or cleanup is under way
  runtime::Event settled_;          // set while none is
  runtime::Event stopped_;          // set while not running

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
