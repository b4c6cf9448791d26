#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "mx_rmq/task.hpp"

namespace mx_rmq {

/// What has happened to the messages of a topic since its counters began, over all processes: kept
/// in Redis, changed by the same script that moves the message.
struct MessageCounters {
  MessageCounters();

  std::int64_t produced = 0;    ///< enqueued
  std::int64_t duplicates = 0;  ///< not enqueued again: the chosen id was still there
  std::int64_t completed = 0;   ///< handled and acknowledged
  std::int64_t retried = 0;     ///< attempts that failed and were scheduled again
  std::int64_t dead = 0;        ///< became dead letters, for whatever reason
  std::int64_t dropped = 0;     ///< thrown away by a cap, or as dead letters are off
  std::int64_t expired = 0;     ///< expired before a worker began them
  std::int64_t cancelled = 0;   ///< removed by cancel()
  std::int64_t lease_lost = 0;  ///< settlements refused because the lease had been lost
  std::int64_t recovered = 0;   ///< taken back from consumers that died
  std::int64_t requeued = 0;    ///< put back to work from the dead letters
  std::int64_t removed = 0;     ///< dead letters thrown away by remove() and purge()
};

/// One topic.
struct TopicMetrics {
  TopicMetrics();

  std::int64_t pending = 0;       ///< waiting, of all priorities and suspects
  std::int64_t processing = 0;    ///< held by consumers, waiting locally or being handled
  std::int64_t delayed = 0;       ///< delayed or waiting for a retry
  std::int64_t dead_letters = 0;  ///< in its dead letters
  std::int64_t suspects = 0;      ///< of those pending: to be run alone, after two recoveries
  std::int64_t consumers = 0;     ///< that hold, or held lately, messages of it, in all processes
  /// Handler runs that ended in this process, since the queue was made: mean and longest, in
  /// milliseconds; 0 without any.
  double avg_time_ms = 0;
  double max_time_ms = 0;
  MessageCounters counters;

  /// pending + processing + delayed.
  [[nodiscard]] std::int64_t total() const noexcept { return pending + processing + delayed; }
};

/// What MetricsCollector::collect saw, at one moment per topic.
struct MetricsSnapshot {
  MetricsSnapshot();

  /// By topic.
  std::map<std::string, TopicMetrics> topics;
  /// Messages that this process completed a minute, over the last minute (or since start, if that
  /// is shorter).
  double messages_per_minute = 0;

  // This process and queue:
  std::int64_t handlers_active = 0;   ///< handlers running now
  std::int64_t zombies = 0;           ///< runs past their deadline that have not ended yet
  std::int64_t local_queue_size = 0;  ///< prefetched, not begun
  std::int64_t reconnects = 0;        ///< connections to Redis made anew, since the queue was made

  /// Dead letters of all `topics` together.
  [[nodiscard]] std::int64_t dlq_count() const noexcept;

  /// One flat object:
  /// queue.<topic>.pending|processing|delayed|total|dead_letters|suspects|consumers,
  /// queue.dlq.count, processing.<topic>.avg_time|max_time (ms), throughput.messages_per_minute,
  /// counters.<topic>.<counter> and local.handlers_active|zombies|queue_size|reconnects.
  [[nodiscard]] nlohmann::json to_json() const;

  /// The text format of Prometheus (version 0.0.4), every line ended by a newline; serve it as
  /// "text/plain; version=0.0.4; charset=utf-8". Names begin with mx_rmq_, times are in seconds.
  [[nodiscard]] std::string to_prometheus() const;
};

namespace detail {

/// What a queue supplies behind a MetricsCollector. Topics have been checked.
class MetricsOps {
 public:
  MetricsOps() = default;
  MetricsOps(const MetricsOps&) = delete;
  MetricsOps& operator=(const MetricsOps&) = delete;
  virtual ~MetricsOps();

  virtual Task<MetricsSnapshot> collect(std::vector<std::string> topics) = 0;
};

}  // namespace detail

/// Collects figures of a queue. A cheap handle; copies speak to the same queue and may be used
/// after it, when collect ends with ShutdownError. Thread-safe.
class MetricsCollector {
 public:
  /// For queues and tests. `ops` must not be null.
  explicit MetricsCollector(std::shared_ptr<detail::MetricsOps> ops);

  /// The figures of these topics (each once; none: only those of this process). A few commands a
  /// topic, none of them longer for a longer queue. Ends on the loop thread of the queue's Runtime.
  /// Throws std::invalid_argument, at once, for a bad topic; by its task ConnectionError,
  /// TimeoutError, ServerError.
  Task<MetricsSnapshot> collect(std::vector<std::string> topics);

 private:
  std::shared_ptr<detail::MetricsOps> ops_;
};

/// Answer of RedisMessageQueue::health_check().
struct HealthReport {
  HealthReport();

  /// All checks are well.
  bool healthy = false;
  /// Name of each check ("redis", "loop", "consuming" ...) to "ok" or what is wrong.
  std::map<std::string, std::string> checks;
};

/// Answer of RedisMessageQueue::status(); nothing is asked of Redis for it.
struct QueueStatus {
  QueueStatus();

  bool running = false;                        ///< consuming
  bool initialized = false;                    ///< initialize() has completed
  bool shutting_down = false;                  ///< stop() is under way
  std::vector<std::string> registered_topics;  ///< topics with a handler, sorted
  std::size_t local_queue_size = 0;            ///< prefetched, not begun
  std::size_t active_handlers = 0;             ///< handlers running now
  std::chrono::seconds uptime{0};              ///< since consuming began; 0 if it has not
};

}  // namespace mx_rmq
