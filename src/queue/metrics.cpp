#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "api/checks.hpp"
#include "api/counters.hpp"
#include "broker/topic_stats.hpp"
#include "mx_rmq/metrics.hpp"
#include "queue/core.hpp"

namespace mx_rmq {
namespace {

TopicMetrics topic_metrics_of(const broker::TopicReport& report) {
  TopicMetrics metrics;
  for (const auto each : report.stats.ready) metrics.pending += each;
  metrics.suspects = report.stats.ready[static_cast<std::size_t>(broker::List::suspect)];
  metrics.processing = report.processing;
  metrics.delayed = report.stats.delayed;
  metrics.dead_letters = report.stats.dead;
  metrics.consumers = report.stats.consumers;
  for (const auto& counter : api::counters)
    metrics.counters.*counter.member = report.stats.counter(counter.name);
  // Dropped by a cap, and never kept because dead letters are switched off: both the user's word.
  metrics.counters.dropped += report.stats.counter("discarded");
  return metrics;
}

Task<MetricsSnapshot> collect_metrics(std::shared_ptr<detail::QueueCore> core,
                                      std::vector<std::string> topics) {
  co_await core->loop().schedule();
  const queue::Access::Use use(core->access());
  MetricsSnapshot snapshot;
  for (const auto& topic : topics) {
    if (snapshot.topics.contains(topic)) continue;
    const auto deadline = core->loop().now() + runtime::Duration(core->config().command_timeout);
    const queue::TopicPorts::Use port = core->access().port(topic);
    const broker::TopicReport report = co_await broker::report_topic(port->broker, deadline);
    snapshot.topics[topic] = topic_metrics_of(report);
  }
  snapshot.reconnects = core->reconnects();
  if (core->engine()) {
    worker::Runner& runner = core->engine()->runner();
    for (const auto& topic : core->engine()->topics()) {
      const auto found = snapshot.topics.find(topic->name);
      if (found == snapshot.topics.end()) continue;
      found->second.avg_time_ms = runner.times(*topic).average_ms();
      found->second.max_time_ms = runner.times(*topic).longest_ms();
    }
    snapshot.messages_per_minute = runner.completed_per_minute();
    snapshot.handlers_active = static_cast<std::int64_t>(runner.active());
    snapshot.zombies = runner.zombies();
    snapshot.local_queue_size = static_cast<std::int64_t>(runner.not_started());
  }
  co_return snapshot;
}

}  // namespace

MetricsCollector::MetricsCollector(std::shared_ptr<detail::QueueCore> core) noexcept
    : core_(std::move(core)) {}

Task<MetricsSnapshot> MetricsCollector::collect(std::vector<std::string> topics) {
  std::vector<std::string> wanted;
  std::set<std::string> seen;
  for (std::string& topic : topics) {
    api::validate_topic(topic);
    if (seen.insert(topic).second) wanted.push_back(std::move(topic));
  }
  return collect_metrics(core_, std::move(wanted));
}

}  // namespace mx_rmq
