#pragma once

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "mx_rmq/config.hpp"
#include "mx_rmq/dead_letters.hpp"
#include "mx_rmq/detail/durations.hpp"
#include "mx_rmq/detail/erase_handler.hpp"
#include "mx_rmq/detail/json_settings.hpp"
#include "mx_rmq/handler.hpp"
#include "mx_rmq/message.hpp"
#include "mx_rmq/metrics.hpp"
#include "mx_rmq/runtime.hpp"
#include "mx_rmq/task.hpp"

namespace mx_rmq {

namespace detail {
class QueueCore;
}  // namespace detail

/// A message queue on Redis: produces messages to topics, and handles those of the topics that it
/// has handlers for. One object is enough for a process; several, also in other processes and on
/// other machines, share the work of a topic.
///
/// **Threads.** Every member may be called from any thread, and every Task may be awaited from any
/// thread or coroutine: `co_await` in a coroutine, `sync_wait` in main() and plain threads. A Task
/// of this class resumes its awaiter on the loop thread of the queue's Runtime (health_check() says
/// where it differs). Two calls for one queue are not ordered unless one is awaited before the
/// other begins.
///
/// **Lifetime.** A Task keeps alive what it needs of the queue; the Runtime must not end before the
/// queue, which holds it. Handlers that were still running when the queue stopped may go on after
/// it was destroyed: what they refer to must outlive them.
///
/// **Errors.** Bad arguments throw std::invalid_argument, naming the argument, from the call
/// itself, before anything is sent. What Redis or the connection do is thrown by the task:
/// ConnectionError and TimeoutError (nothing was sent), ServerError (Redis refused),
/// OutcomeUnknown, ShutdownError after cleanup(). Every await ends by a deadline.
class RedisMessageQueue {
 public:
  /// With a default MQConfig, on the shared Runtime. Connects to nothing yet.
  RedisMessageQueue();
  /// Throws ConfigError if `config` is not valid, std::invalid_argument if `runtime` is null.
  explicit RedisMessageQueue(MQConfig config, std::shared_ptr<Runtime> runtime = Runtime::shared());
  /// Stops and cleans up if that has not been done: blocks for MQConfig::shutdown_timeout and a few
  /// seconds at the most. On a loop thread, of any Runtime, it does not block; the end then comes by
  /// itself. Never throws.
  ~RedisMessageQueue();
  RedisMessageQueue(const RedisMessageQueue&) = delete;
  RedisMessageQueue& operator=(const RedisMessageQueue&) = delete;

  /// Puts a message into a topic and gives its id, once Redis has taken it. Concurrent calls travel
  /// together, so many single calls cost little more than one batch. A lost reply is asked for
  /// again, and the message is enqueued once whatever happens. With a chosen id
  /// (ProduceOptions::message_id) that is still in use nothing changes, and the same id is
  /// returned, or Duplicate thrown (ProduceOptions::throw_if_duplicate).
  ///
  /// `topic` [A-Za-z0-9._:-]{1,128}; `payload` any JSON of depth 100 or less without NaN,
  /// infinities and invalid UTF-8, at most MQConfig::max_payload_bytes as text. Within
  /// MQConfig::produce_timeout: ConnectionError or TimeoutError if it was never sent, ServerError
  /// if Redis refused (OOM ...), OutcomeUnknown if it was sent and no answer came. Overloaded at
  /// once if MQConfig::max_pending_produces calls wait already.
  Task<std::string> produce(std::string topic, nlohmann::json payload,
                            ProduceOptions options = ProduceOptions());

  /// The same for several messages, of one or more topics; gives their ids, in order. Messages of
  /// one topic and priority keep their order. All are checked before any is sent. If some fail, the
  /// first one's error is thrown when all have ended; the others are enqueued. Duplicate is thrown
  /// if there is no other error. More than MQConfig::max_pending_produces are sent in parts of half
  /// that many, one after the other, all within MQConfig::produce_timeout.
  Task<std::vector<std::string>> produce_batch(std::vector<OutgoingMessage> messages);

  /// Takes back a message that no worker holds. True: it will not be handled. A delayed or retrying
  /// one is found at once; a waiting one by a search through the topic's lists, 1,000 a step.
  /// False: no such message, or in work, settled, dead, or moved while the search went on.
  /// OutcomeUnknown: a reply was lost, or later than MQConfig::command_timeout, and it is not there
  /// now.
  Task<bool> cancel(std::string topic, std::string id);

  /// Removes what is left of a topic that is not used any more: its counters, its entry among the
  /// topics that tools list, what this object keeps of it. True: it is gone, or never was there.
  /// False, and nothing was changed: a message waits, is delayed, in work or dead, was in work less
  /// than MQConfig::lease ago, or this object consumes the topic. Consumers elsewhere that are idle
  /// for longer do not count and need not know: a topic that is produced to again begins anew.
  /// Whoever produces to it at that very moment loses nothing, but tools may miss the topic for some
  /// minutes. Messages of consumers that died are taken over. After OutcomeUnknown call again.
  Task<bool> forget(std::string topic);

  /// Has the messages of a topic handled. See handler.hpp for what a handler may be. Before or
  /// after start; a topic has one handler per queue. The handler is kept until the queue and the
  /// last run are gone. Throws std::invalid_argument for a bad topic, a topic that has a handler, a
  /// null handler, or an option out of range.
  template <class H>
  void register_handler(std::string topic, H handler, HandlerOptions options = HandlerOptions()) {
    add_handler(std::move(topic), detail::erase_handler<void>(std::move(handler)),
                std::move(options));
  }
  /// The same for a payload of type T, decoded by from_json(T); what does not decode becomes a dead
  /// letter (reason "decode") and never reaches the handler.
  template <class T, class H>
  void register_handler(std::string topic, H handler, HandlerOptions options = HandlerOptions()) {
    add_handler(std::move(topic), detail::erase_handler<T>(std::move(handler)), std::move(options));
  }

  /// Connects, and makes sure that Redis answers. Not needed: whatever comes first connects by
  /// itself. Throws as the class comment says, within MQConfig::connect_timeout. With
  /// MQConfig::wait_for_redis it waits for a Redis that is not there yet, and throws ShutdownError
  /// if stop() or cleanup() is called meanwhile.
  Task<> initialize();
  /// Consumes until stop() or until the process gets SIGINT or SIGTERM (which it takes over
  /// meanwhile), then completes when all has stopped. A second signal cuts the time that stop() gives
  /// handlers short, a third ends the process, as far as the loop turns. Throws as initialize() if
  /// Redis cannot be reached at the beginning, unless a signal came meanwhile; later it reconnects by
  /// itself. With MQConfig::wait_for_redis it waits for Redis at the beginning, too; stop(), cleanup()
  /// or a signal then end it without an error. Warns in the log if no handler is registered.
  Task<> start();
  /// Completes once consuming has begun; goes on until stop(). Throws as initialize().
  Task<> start_background();
  /// Ends consuming: no new messages; prefetched ones go back to the heads of their lists, in
  /// order; running handlers get MQConfig::shutdown_timeout to end and are acknowledged; then their
  /// stop tokens fire, and what still runs, or fails because of that, is given back: no attempt,
  /// but one of at most MQConfig::max_interruptions. Idempotent, does not throw, and takes little
  /// more than shutdown_timeout whatever Redis does. Producing goes on working. From inside a
  /// handler it waits for that handler too, so the handler ends as interrupted: start it from
  /// elsewhere. start() and start_background() begin anew.
  Task<> stop();
  /// stop(), then lets produce calls under way end, and closes the connections. Afterwards
  /// everything ends with ShutdownError, until initialize() or a start. Idempotent, does not throw.
  Task<> cleanup();

  /// start(), blocking the calling thread; with a duration it stops after that time, and waits at
  /// most that long for a Redis that is not there (MQConfig::wait_for_redis). Throws as start(), and
  /// std::logic_error on the loop thread.
  void run(std::optional<std::chrono::milliseconds> duration = {});
  /// 1.5s, 250us ...: rounded up to milliseconds.
  template <detail::FinerDuration<std::chrono::milliseconds> D>
  void run(D duration) {
    run(std::optional(detail::rounded_up<std::chrono::milliseconds>(duration)));
  }
  template <detail::PlainNumber N>
  void run(N) {
    static_assert(!detail::PlainNumber<N>,
                  "mx_rmq: a time needs a unit: write run(30s) or run(500ms), with "
                  "`using namespace std::chrono_literals`");
  }

  /// Asks whether Redis answers and is a master ("redis"; names what is there instead, and what to
  /// write in redis_url), whether the loop turns ("loop"), and, if a handler is
  /// registered, whether messages are consumed ("consuming"). Never throws but ShutdownError; takes
  /// two seconds or MQConfig::command_timeout at the most, however busy the blocking threads are.
  /// While the loop is stalled it resumes on a thread that only watches the loop, where it must not
  /// block, else on the loop thread.
  Task<HealthReport> health_check();
  /// What this object is doing; asks nobody.
  [[nodiscard]] QueueStatus status() const;
  /// Whether it consumes.
  [[nodiscard]] bool is_running() const;

  /// The dead letters of any topic.
  [[nodiscard]] DeadLetterQueue dead_letters();
  /// The figures of any topics.
  [[nodiscard]] MetricsCollector metrics();

 private:
  void add_handler(std::string topic, detail::ErasedHandler handler, HandlerOptions options);

  std::shared_ptr<detail::QueueCore> core_;
};

}  // namespace mx_rmq
