#include "mx_rmq/metrics.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "api/counters.hpp"

namespace mx_rmq {

MessageCounters::MessageCounters() = default;
WaitingAges::WaitingAges() = default;
TopicMetrics::TopicMetrics() = default;
MetricsSnapshot::MetricsSnapshot() = default;
HealthReport::HealthReport() = default;
QueueStatus::QueueStatus() = default;

std::optional<std::chrono::milliseconds> WaitingAges::oldest() const {
  return std::max({high, normal, low, suspect, due});  // nothing is less than any
}

std::int64_t MetricsSnapshot::dlq_count() const noexcept {
  std::int64_t sum = 0;
  for (const auto& [topic, metrics] : topics) sum += metrics.dead_letters;
  return sum;
}

// The names never clash: each ends in one field, and "queue.dlq.count" in one that no topic has.
nlohmann::json MetricsSnapshot::to_json() const {
  nlohmann::json out = nlohmann::json::object();
  for (const auto& [topic, metrics] : topics) {
    const std::string queue = "queue." + topic + '.';
    out[queue + "pending"] = metrics.pending;
    out[queue + "processing"] = metrics.processing;
    out[queue + "delayed"] = metrics.delayed;
    out[queue + "total"] = metrics.total();
    out[queue + "dead_letters"] = metrics.dead_letters;
    out[queue + "suspects"] = metrics.suspects;
    out[queue + "consumers"] = metrics.consumers;
    const std::string processing = "processing." + topic + '.';
    out[processing + "avg_time"] = metrics.avg_time_ms;
    out[processing + "max_time"] = metrics.max_time_ms;
    const std::string counters = "counters." + topic + '.';
    for (const api::Counter& counter : api::counters)
      out[counters + std::string(counter.name)] = metrics.counters.*counter.member;
    for (const api::Age& age : api::ages) {
      if (const auto& waits = metrics.ages.*age.member)
        out["ages." + topic + '.' + std::string(age.name)] = waits->count();
    }
    for (const auto& [reason, count] : metrics.dead_by_reason)
      out["dead." + topic + '.' + reason] = count;
  }
  out["queue.dlq.count"] = dlq_count();
  out["throughput.messages_per_minute"] = messages_per_minute;
  out["local.handlers_active"] = handlers_active;
  out["local.zombies"] = zombies;
  out["local.queue_size"] = local_queue_size;
  out["local.reconnects"] = reconnects;
  return out;
}

}  // namespace mx_rmq
