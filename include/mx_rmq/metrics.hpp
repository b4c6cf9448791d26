#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "mx_rmq/duration_histogram.hpp"
#include "mx_rmq/task.hpp"

namespace mx_rmq {

/// What has happened to the messages of a topic in all processes since its counters began. The
/// counters are kept in Redis; the script that moves a message also counts it.
struct MessageCounters {
  /// All 0.
  MessageCounters();

  std::int64_t produced = 0;    ///< enqueued
  std::int64_t duplicates = 0;  ///< not enqueued again: the chosen id was still there
  std::int64_t completed = 0;   ///< handled and acknowledged
  std::int64_t retried = 0;     ///< attempts that failed and were scheduled again
  std::int64_t dead = 0;        ///< became dead letters, for whatever reason
  std::int64_t dropped = 0;     ///< thrown away by a cap, or because dead letters are switched off
  std::int64_t expired = 0;     ///< expired before a worker began them
  std::int64_t cancelled = 0;   ///< removed by cancel()
  std::int64_t lease_lost = 0;  ///< settlements refused because the lease had been lost
  std::int64_t recovered = 0;   ///< taken back from consumers that died
  std::int64_t requeued = 0;    ///< put back to work from the dead letters
  std::int64_t removed = 0;     ///< dead letters thrown away by remove() and purge()
};

/// For how long the messages that come next have been waiting: the time since each was first due,
/// so of a retried one since before its first attempt. Nothing: none waits.
struct WaitingAges {
  /// Nothing waits.
  WaitingAges();

  std::optional<std::chrono::milliseconds> high;     ///< the next of high priority
  std::optional<std::chrono::milliseconds> normal;   ///< the next of normal priority
  std::optional<std::chrono::milliseconds> low;      ///< the next of low priority
  std::optional<std::chrono::milliseconds> suspect;  ///< the next that is to be run alone
  /// The first delayed one, since it has been due; there is one for long only if nobody consumes.
  std::optional<std::chrono::milliseconds> due;

  /// The greatest of them.
  [[nodiscard]] std::optional<std::chrono::milliseconds> oldest() const;
};

/// The figures of one topic.
struct TopicMetrics {
  /// All 0.
  TopicMetrics();

  std::int64_t pending = 0;       ///< waiting: of all priorities, and suspects
  std::int64_t processing = 0;    ///< held by consumers, waiting locally or being handled
  std::int64_t delayed = 0;       ///< delayed or waiting for a retry
  std::int64_t dead_letters = 0;  ///< in its dead letters
  std::int64_t suspects = 0;      ///< of those pending: recovered twice, so to be run alone
  std::int64_t consumers = 0;     ///< of all processes: those that hold, or lately held, messages;
                                  ///< of the partition that has most, if there are several
  bool paused = false;            ///< nothing of it is handed out (Admin::pause)
  /// If it is paused for a time: until when, by the server's clock.
  std::optional<std::chrono::system_clock::time_point> paused_until;
  double avg_time_ms = 0;    ///< mean time of a run that ended in this process; 0 without any
  double max_time_ms = 0;    ///< time of the longest of these runs
  MessageCounters counters;  ///< what has happened to its messages
  WaitingAges ages;          ///< for how long messages have been waiting
  /// Of counters.dead, how many for which reason: "retries", "rejected", "expired", "decode",
  /// "poison", "interrupted". Those from before version 0.2 are in no reason.
  std::map<std::string, std::int64_t> dead_by_reason;

  // Of this process:
  bool handled_here = false;  ///< it has a handler for the topic, and consumes
  /// Runs that ended, by how: "completed", "failed", "rejected", "retry_after", "undecodable",
  /// "interrupted". What never happened is not there.
  std::map<std::string, DurationHistogram> run_times;
  DurationHistogram wait_times;  ///< from when a message was due to the start of its first run

  /// pending + processing + delayed.
  [[nodiscard]] std::int64_t total() const noexcept { return pending + processing + delayed; }
};

/// Of what a text of metrics tells.
enum class MetricsScope : std::uint8_t {
  cluster,  ///< what Redis knows: the same from wherever it is asked, so one has to ask
  process   ///< what this process knows of itself: each has to be asked
};

/// How a text of metrics is written.
enum class MetricsFormat : std::uint8_t {
  openmetrics,  ///< "application/openmetrics-text; version=1.0.0; charset=utf-8"
  prometheus    ///< "text/plain; version=0.0.4; charset=utf-8"
};

/// Memory of a Redis server, in bytes.
struct RedisMemory {
  std::int64_t used = 0;  ///< used_memory
  std::int64_t most = 0;  ///< maxmemory; 0: no limit but the machine's
};

/// What MetricsCollector::collect saw. The figures of one topic are all of the same moment.
struct MetricsSnapshot {
  /// No topics, and all 0.
  MetricsSnapshot();

  /// The figures of each topic that was asked for.
  std::map<std::string, TopicMetrics> topics;
  /// Messages a minute that this process completed, over the last minute or, if that is shorter,
  /// since the start.
  double messages_per_minute = 0;

  // Of this process and queue:
  std::int64_t handlers_active = 0;   ///< handlers running now
  std::int64_t zombies = 0;           ///< runs past their deadline that have not ended yet
  std::int64_t local_queue_size = 0;  ///< prefetched, not begun
  std::int64_t reconnects = 0;        ///< connections to Redis made anew, since the queue was made
  /// The longest time of the last minute for which the loop thread looked at nothing new.
  std::chrono::nanoseconds loop_lag{0};

  // Of Redis, from collect_all():
  bool redis_answered = true;  ///< false: nothing of `topics` is known
  /// Of the node that is fullest, if there are several; nothing if it was not asked or refused.
  std::optional<RedisMemory> redis_memory;

  /// Dead letters of all `topics` together.
  [[nodiscard]] std::int64_t dlq_count() const noexcept;

  /// One flat object with these names, TOPIC being the name of a topic:
  ///
  /// - `queue.TOPIC.` and pending, processing, delayed, total, dead_letters, suspects or consumers;
  ///   `queue.dlq.count`
  /// - `processing.TOPIC.` and avg_time or max_time, in milliseconds
  /// - `throughput.messages_per_minute`
  /// - `counters.TOPIC.` and the name of a member of MessageCounters
  /// - `ages.TOPIC.` and the name of a member of WaitingAges, in milliseconds, if any waits
  /// - `dead.TOPIC.` and a reason, if any died of it
  /// - `local.` and handlers_active, zombies, queue_size or reconnects
  [[nodiscard]] nlohmann::json to_json() const;

  /// The same in the text format of Prometheus (version 0.0.4). Names begin with mx_rmq_, times are
  /// in seconds, and every line ends with a newline. Serve it as "text/plain; version=0.0.4;
  /// charset=utf-8".
  [[nodiscard]] std::string to_prometheus() const;

  /// The figures of one scope, so that no figure comes from two sources: names that begin with
  /// mx_rmq_, seconds as unit, counters that end in _total. Of more than `max_topics` topics the
  /// first ones by name are told, and the sum of the others as the topic "_other".
  [[nodiscard]] std::string to_text(MetricsScope scope,
                                    MetricsFormat format = MetricsFormat::openmetrics,
                                    std::size_t max_topics = 500) const;
};

namespace detail {
class QueueCore;
}  // namespace detail

/// Collects figures of a queue. It is a cheap handle: copies speak to the same queue. They may
/// outlive the queue; collect then ends with ShutdownError. Thread-safe.
class MetricsCollector {
 public:
  /// The figures of these topics and of this process. A topic that is named twice is in the result
  /// once; without topics only the figures of the process are. It sends a few commands a topic, and
  /// none of them takes longer for a longer queue. Ends on the loop thread of the queue's Runtime.
  /// Throws std::invalid_argument, at once, for a bad topic; its task throws ConnectionError,
  /// TimeoutError or ServerError.
  Task<MetricsSnapshot> collect(std::vector<std::string> topics);
  /// The same of all topics that Admin::topics() tells, and the memory of Redis (which takes the
  /// right to `INFO`; without it that is left out).
  Task<MetricsSnapshot> collect_all();
  /// The figures of this process alone, of all topics that it handles. Redis is not asked.
  Task<MetricsSnapshot> collect_process();

 private:
  friend class Admin;
  friend class RedisMessageQueue;
  explicit MetricsCollector(std::shared_ptr<detail::QueueCore> core) noexcept;

  std::shared_ptr<detail::QueueCore> core_;
};

/// The answer of RedisMessageQueue::health_check().
struct HealthReport {
  /// Not healthy, without checks.
  HealthReport();

  /// Whether all checks are well, apart from "sentinels".
  bool healthy = false;
  /// By the name of a check ("redis", "loop", "consuming", "sentinels"): "ok", or what is wrong.
  /// "sentinels" is there behind Sentinels only: if none answers, what is connected goes on, and
  /// nothing would be followed.
  std::map<std::string, std::string> checks;
};

/// The answer of RedisMessageQueue::status(). Redis is not asked for it.
struct QueueStatus {
  /// Of a queue that does nothing.
  QueueStatus();

  bool running = false;                        ///< it consumes
  bool initialized = false;                    ///< initialize() has completed
  bool shutting_down = false;                  ///< stop() is under way
  std::vector<std::string> registered_topics;  ///< topics with a handler, sorted
  std::size_t local_queue_size = 0;            ///< prefetched, not begun
  std::size_t active_handlers = 0;             ///< handlers running now
  std::chrono::seconds uptime{0};              ///< since consuming began; 0 if it has not
};

}  // namespace mx_rmq
