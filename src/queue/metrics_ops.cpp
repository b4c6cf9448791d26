#include "queue/metrics_ops.hpp"

#include <string>
#include <utility>
#include <vector>

#include "api/counters.hpp"

namespace mx_rmq::queue {
namespace {

using detail::QueueCore;
using Core = std::shared_ptr<QueueCore>;

TopicMetrics topic_metrics_of(const broker::TopicReport& report) {
  TopicMetrics metrics;
  for (const auto each : report.stats.waiting) metrics.pending += each;
  metrics.suspects = report.stats.waiting[static_cast<std::size_t>(broker::List::suspect)];
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

Task<MetricsSnapshot> collect(Core core, std::vector<std::string> topics) {
  co_await core->loop().schedule();
  const QueueCore::Use use(core);
  MetricsSnapshot snapshot;
  for (const auto& topic : topics) {
    if (snapshot.topics.contains(topic)) continue;
    const auto deadline = core->loop().now() + runtime::Duration(core->config().command_timeout);
    const TopicPorts::Use port = core->port(topic);
    const broker::TopicReport report = co_await port->stats.report(deadline);
    snapshot.topics[topic] = topic_metrics_of(report);
  }
  snapshot.reconnects = core->reconnects();
  if (core->engine()) {
    worker::Runner& runner = core->engine()->runner();
    for (const auto& source : core->engine()->sources()) {
      const auto found = snapshot.topics.find(source->topic.name);
      if (found == snapshot.topics.end()) continue;
      found->second.avg_time_ms = runner.times(*source).average_ms();
      found->second.max_time_ms = runner.times(*source).longest_ms();
    }
    snapshot.messages_per_minute = runner.completed_per_minute();
    snapshot.handlers_active = static_cast<std::int64_t>(runner.active());
    snapshot.zombies = runner.zombies();
    snapshot.local_queue_size = static_cast<std::int64_t>(runner.not_started());
  }
  co_return snapshot;
}

class CoreMetricsOps final : public detail::MetricsOps {
 public:
  explicit CoreMetricsOps(Core core) : core_(std::move(core)) {}
  Task<MetricsSnapshot> collect(std::vector<std::string> topics) override {
    return queue::collect(core_, std::move(topics));
  }

 private:
  const Core core_;
};

}  // namespace

std::shared_ptr<detail::MetricsOps> make_metrics_ops(Core core) {
  return std::make_shared<CoreMetricsOps>(std::move(core));
}

}  // namespace mx_rmq::queue
