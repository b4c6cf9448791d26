#include <algorithm>
#include <exception>
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
#include "queue/whole_topic.hpp"

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

// The figures of one partition more.
void add(TopicMetrics& sum, const TopicMetrics& part) {
  sum.pending += part.pending;
  sum.suspects += part.suspects;
  sum.processing += part.processing;
  sum.delayed += part.delayed;
  sum.dead_letters += part.dead_letters;
  // Who consumes the topic consumes each of its partitions.
  sum.consumers = std::max(sum.consumers, part.consumers);
  for (const auto& counter : api::counters) {
    sum.counters.*counter.member += part.counters.*counter.member;
  }
}

Task<MetricsSnapshot> collect_metrics(std::shared_ptr<detail::QueueCore> core,
                                      std::vector<std::string> topics) {
  co_await core->loop().schedule();
  const queue::Access::Use use(core->access());
  MetricsSnapshot snapshot;
  for (const auto& topic : topics) {
    if (snapshot.topics.contains(topic)) continue;
    const queue::Whole whole = co_await queue::WholeTopic::find(&core->access(), topic);
    const auto deadline = core->loop().now() + runtime::Duration(core->config().command_timeout);
    queue::WholeTopic::Call<broker::TopicReport> report =
        [deadline](queue::WholeTopic::Part& part) {
          return broker::report_topic(part.broker, deadline);
        };
    const auto ends =
        co_await queue::WholeTopic::everywhere<broker::TopicReport>(whole, std::move(report));
    if (ends.error) std::rethrow_exception(ends.error);
    TopicMetrics metrics;
    for (const auto& each : ends.results) add(metrics, topic_metrics_of(*each));
    snapshot.topics[topic] = metrics;
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
