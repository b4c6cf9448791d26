#pragma once

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "mx_rmq/admin.hpp"
#include "mx_rmq/config.hpp"
#include "mx_rmq/dead_letters.hpp"
#include "mx_rmq/detail/durations.hpp"
#include "mx_rmq/detail/erase_handler.hpp"
#include "mx_rmq/detail/json_settings.hpp"
#include "mx_rmq/handler.hpp"
#include "mx_rmq/message.hpp"
#include "mx_rmq/metrics.hpp"
#include "mx_rmq/metrics_server.hpp"
#include "mx_rmq/middleware.hpp"
#include "mx_rmq/runtime.hpp"
#include "mx_rmq/task.hpp"
#include "mx_rmq/topic_settings.hpp"
#include "mx_rmq/tracing.hpp"

namespace mx_rmq {

namespace detail {
class QueueCore;
}  // namespace detail

/// A message queue on Redis: it produces messages to topics, and handles the messages of those
/// topics that have a handler. One object is enough for a process. Several objects, also in other
/// processes and on other machines, share the work of a topic.
///
/// **Threads.** Every member may be called from any thread. Every Task may be awaited from any
/// thread or coroutine: by `co_await` in a coroutine, by `sync_wait` in main() and plain threads.
/// After awaiting a Task of this class a coroutine is on the loop thread of the queue's Runtime
/// (health_check() has an exception). Two calls have no order unless one was awaited before the
/// other began.
///
/// **Lifetime.** A Task keeps alive what it needs of the queue, and the queue keeps its Runtime
/// alive. A handler that was still running when the queue stopped may go on after the queue was
/// destroyed: what it refers to must outlive it.
///
/// **Errors.** A bad argument throws std::invalid_argument, naming it, from the call itself, before
/// anything is sent. The Task throws what comes from Redis or the connection: ConnectionError and
/// TimeoutError (nothing was sent), ServerError (Redis refused), OutcomeUnknown, and ShutdownError
/// after cleanup(). Every await ends at a deadline.
class RedisMessageQueue {
 public:
  /// With a default MQConfig, on the shared Runtime. Connects to nothing yet.
  RedisMessageQueue();
  /// Throws ConfigError if `config` is not valid, std::invalid_argument if `runtime` is null.
  explicit RedisMessageQueue(MQConfig config, std::shared_ptr<Runtime> runtime = Runtime::shared());
  /// Stops and cleans up, if that has not been done; it blocks for MQConfig::shutdown_timeout and a
  /// few seconds at the most. On the loop thread of any Runtime it does not block: the queue then
  /// ends in the background. Never throws.
  ~RedisMessageQueue();
  RedisMessageQueue(const RedisMessageQueue&) = delete;
  RedisMessageQueue& operator=(const RedisMessageQueue&) = delete;

  /// Puts a message into a topic, and gives its id once Redis has taken it.
  ///
  /// Concurrent calls travel together, so many single calls cost little more than one batch. After
  /// a lost reply the message is sent again, and it is enqueued once whatever happens. If a message
  /// with the same chosen id (ProduceOptions::message_id) is there already, nothing changes: the id
  /// is returned, or Duplicate thrown if ProduceOptions::throw_if_duplicate asks for it.
  ///
  /// `topic` matches `[A-Za-z0-9._:-]{1,128}`. `payload` is any JSON of depth 100 or less without
  /// NaN, infinities and invalid UTF-8, as text at most MQConfig::max_payload_bytes long.
  ///
  /// The Task ends within MQConfig::produce_timeout. It throws ConnectionError or TimeoutError if
  /// the message was never sent, ServerError if Redis refused it (OOM ...), OutcomeUnknown if it
  /// was sent and no answer came, and at once Overloaded if MQConfig::max_pending_produces calls
  /// wait already.
  Task<std::string> produce(std::string topic, nlohmann::json payload,
                            ProduceOptions options = ProduceOptions());

  /// Produces several messages, of one or more topics, and gives their ids in order. Messages of
  /// one topic and priority keep their order; if the topic has several partitions, those of one
  /// key. All are checked before any is sent.
  ///
  /// If some fail, the others are enqueued all the same, and when all have ended the error of the
  /// first one that failed is thrown; Duplicate only if there is no other error. More messages than
  /// MQConfig::max_pending_produces are sent in parts of half that many, one after the other, all
  /// within MQConfig::produce_timeout.
  Task<std::vector<std::string>> produce_batch(std::vector<OutgoingMessage> messages);

  /// Takes back a message that no worker holds. True: it will not be handled. False: there is no
  /// such message; or it is in work, was handled, is a dead letter, or moved while it was searched
  /// for.
  ///
  /// A message that is delayed or waits for a retry is found at once. One that waits for a worker
  /// is searched for in the topic's lists, 1,000 a step. Throws OutcomeUnknown if a reply was lost,
  /// or took longer than MQConfig::command_timeout, and the message is not there now.
  Task<bool> cancel(std::string topic, std::string id);

  /// Has the stop token of a message that is being handled fire (Context::stop_token), in whichever
  /// process that is. What becomes of the message is decided by how its handler ends: if that
  /// heeds the token and throws, by the usual retries. True: the token has fired. False: nobody
  /// runs such a message now; it may wait, or have ended. TimeoutError: nobody says that he runs
  /// it, and some have not answered within MQConfig::command_timeout (they died less than a lease
  /// ago, stand still, or use an older version of the library).
  Task<bool> interrupt(std::string topic, std::string id);

  /// Removes what is left of a topic that is not used any more: its counters, its entry among the
  /// topics that tools list, and what this object keeps of it. True: it is gone, or never was
  /// there. False, and nothing was changed: a message waits, is delayed, is in work or was so less
  /// than MQConfig::lease ago, or is a dead letter; or this object consumes the topic.
  ///
  /// What configure() has set for the topic stays. Idle consumers elsewhere do not prevent it and
  /// need not know: a topic that is produced to again begins anew. Whoever produces to it at that
  /// very moment loses nothing, but tools may miss the topic for some minutes. Messages of
  /// consumers that died are taken over, and count. After OutcomeUnknown call again.
  Task<bool> forget(std::string topic);

  /// Changes what is set for a topic, and leaves the rest: `configure("orders",
  /// TopicSettings{}.partitions(16))`. The topic need not exist yet. It is kept in Redis, and every
  /// process that uses the topic follows by itself: who consumes it with its next claim, who only
  /// produces within a second of its next message, whoever does neither within
  /// MQConfig::expired_check_interval.
  ///
  /// Setting what is set already changes nothing. Throws std::invalid_argument, from the call
  /// itself, for a setting out of its range, and for one that this version does not know yet;
  /// ServerError with the code "SETTINGS" for fewer partitions than there are.
  Task<> configure(std::string topic, TopicSettings settings);
  /// What is set for a topic, as Redis has it now; for a topic that nobody has configured, or that
  /// does not exist, the defaults.
  Task<TopicSettings> settings(std::string topic);

  /// Sets the handler for the messages of a topic, before or after the start. handler.hpp says what
  /// a handler may be. A topic has one handler in a queue. The handler lives until the queue and
  /// the last run are gone. Throws std::invalid_argument for a bad topic, a topic that has a
  /// handler already, a null handler, or an option out of range.
  template <class H>
  void register_handler(std::string topic, H handler, HandlerOptions options = HandlerOptions()) {
    add_handler(std::move(topic), detail::erase_handler<void>(std::move(handler)),
                std::move(options));
  }
  /// The same for payloads of type T, decoded by from_json(T). A message that does not decode
  /// becomes a dead letter (reason "decode") and never reaches the handler.
  template <class T, class H>
  void register_handler(std::string topic, H handler, HandlerOptions options = HandlerOptions()) {
    add_handler(std::move(topic), detail::erase_handler<T>(std::move(handler)), std::move(options));
  }

  /// Has `middleware` run around every handler of this queue, those too that are registered
  /// already; middleware.hpp says how. What is added first is the outermost. Throws
  /// std::invalid_argument for a null function, and std::logic_error once the queue consumes: what
  /// does not throw counts from the first message on, whichever thread starts meanwhile.
  void use(Middleware middleware);
  /// Has `middleware` see each message from now on before it is checked and sent; several do so in
  /// the order in which they were added. Throws std::invalid_argument for a null function.
  void use_produce(ProduceMiddleware middleware);
  /// Makes spans of what is produced from now on and of the runs of handlers; tracing.hpp says how.
  /// Without a tracer (the default, and a null pointer) nothing is done for it. The spans of a
  /// batch that throws have all failed by what it throws. Throws std::logic_error once the queue
  /// consumes.
  void set_tracer(std::shared_ptr<Tracer> tracer, ProcessSpans spans = ProcessSpans::linked);

  /// Connects, and makes sure that Redis answers. It need not be called: whatever comes first
  /// connects by itself. Throws as the class comment says, within MQConfig::connect_timeout. With
  /// MQConfig::wait_for_redis it waits instead for a Redis that is not there yet, and throws
  /// ShutdownError if stop() or cleanup() is called meanwhile.
  Task<> initialize();
  /// Consumes until stop(), SIGINT or SIGTERM, and completes when everything has stopped. While it
  /// runs it takes these signals over: the first one stops, a second one ends the time that running
  /// handlers have left, and a third one ends the process (unless the loop thread is blocked).
  ///
  /// If Redis cannot be reached at the beginning it throws as initialize() does, unless a signal
  /// came meanwhile. With MQConfig::wait_for_redis it waits for Redis instead, and stop(),
  /// cleanup() or a signal then end it without an error. When a connection is lost later it
  /// reconnects by itself. If no handler is registered, the log has a warning.
  Task<> start();
  /// Begins to consume, and completes once that has begun; stop() ends it. Throws as initialize().
  Task<> start_background();
  /// Ends consuming. No new messages are taken, and prefetched ones go back to the heads of their
  /// lists, in order. Running handlers have MQConfig::shutdown_timeout to end, with the usual
  /// outcome. Then their stop tokens fire. A run that fails because of that, or has not ended a
  /// second later, is interrupted: its message is given back, which is no attempt, but at most
  /// MQConfig::max_interruptions times.
  ///
  /// It may be called again, does not throw, and takes little more than shutdown_timeout whatever
  /// Redis does. Producing goes on working, and start() or start_background() begin anew. Do not
  /// await it in a handler: it would wait for that handler, which would end as interrupted.
  Task<> stop();
  /// Stops as stop() does, lets produce calls that are under way end, and closes the connections.
  /// Afterwards everything ends with ShutdownError, until initialize() or a start. It may be called
  /// again, and does not throw.
  Task<> cleanup();

  /// The same as start(), but blocks the calling thread. With a duration it stops after that time,
  /// and waits at most that long for a Redis that is not there (MQConfig::wait_for_redis). Throws
  /// as start(), and std::logic_error on the loop thread.
  void run(std::optional<std::chrono::milliseconds> duration = {});
  /// 1.5s, 250us ...: rounded up to milliseconds.
  template <detail::FinerDuration<std::chrono::milliseconds> D>
  void run(D duration) {
    run(std::optional(detail::rounded_up<std::chrono::milliseconds>(duration)));
  }
  /// Does not compile: a time needs a unit.
  template <detail::PlainNumber N>
  void run(N) {
    static_assert(!detail::PlainNumber<N>,
                  "mx_rmq: a time needs a unit: write run(30s) or run(500ms), with "
                  "`using namespace std::chrono_literals`");
  }

  /// Checks three things:
  ///
  /// - "redis": whether Redis answers and is a master. If not, it says what is there instead and
  ///   what to write in redis_url.
  /// - "loop": whether the loop thread is responsive.
  /// - "consuming": whether messages are consumed; only if a handler is registered.
  ///
  /// It takes two seconds or MQConfig::command_timeout at the most, however busy the blocking
  /// threads are, and throws nothing but ShutdownError. While the loop is stalled it resumes on a
  /// thread that only watches the loop, and must not be blocked either; otherwise on the loop
  /// thread.
  Task<HealthReport> health_check();
  /// What this object is doing. It asks nobody and does not wait.
  [[nodiscard]] QueueStatus status() const;
  /// Whether it consumes now.
  [[nodiscard]] bool is_running() const;

  /// The dead letters of any topic.
  [[nodiscard]] DeadLetterQueue dead_letters();
  /// The figures of any topics.
  [[nodiscard]] MetricsCollector metrics();
  /// Answers `GET /metrics` and `/healthz` over HTTP until cleanup(), from the loop thread, at
  /// 127.0.0.1 if nothing else is said, and gives the port. Prometheus reads either format. Several
  /// may be served. The queue need not consume yet. The Task throws std::system_error if it cannot
  /// listen there, std::invalid_argument for an address that is none.
  Task<std::uint16_t> serve_metrics(MetricsServerOptions options);
  /// The same, about this process, at that port of 127.0.0.1.
  Task<std::uint16_t> serve_metrics(std::uint16_t port);
  /// What operators and tools need besides.
  [[nodiscard]] Admin admin();

 private:
  void add_handler(std::string topic, detail::ErasedHandler handler, HandlerOptions options);

  std::shared_ptr<detail::QueueCore> core_;
};

}  // namespace mx_rmq
