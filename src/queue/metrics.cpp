#include <algorithm>
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/checks.hpp"
#include "api/counters.hpp"
#include "api/metrics_sum.hpp"
#include "broker/topic_stats.hpp"
#include "mx_rmq/async.hpp"
#include "mx_rmq/metrics.hpp"
#include "queue/core.hpp"
#include "queue/metrics.hpp"
#include "queue/process_metrics.hpp"
#include "queue/redis_memory.hpp"
#include "queue/whole_topic.hpp"

namespace mx_rmq {
namespace {

WaitingAges waiting_ages(const broker::Stats::Reply& stats) {
  WaitingAges ages;
  const auto age = [now = stats.now](std::int64_t since) {
    std::optional<std::chrono::milliseconds> out;
    if (since >= 0) out.emplace(std::max<std::int64_t>(0, now - since));
    return out;
  };
  const auto of = [&](broker::List list) {
    return age(stats.first_due[static_cast<std::size_t>(list)]);
  };
  ages.high = of(broker::List::high);
  ages.normal = of(broker::List::normal);
  ages.low = of(broker::List::low);
  ages.suspect = of(broker::List::suspect);
  if (stats.next_due <= stats.now) ages.due = age(stats.next_due);
  return ages;
}

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
  for (const std::string_view reason : api::dead_reasons) {
    const std::int64_t count = report.stats.counter("dead:" + std::string(reason));
    if (count > 0) metrics.dead_by_reason.emplace(reason, count);
  }
  metrics.ages = waiting_ages(report.stats);
  return metrics;
}

void add_pause(TopicMetrics& metrics, const queue::WholeTopic& whole, std::int64_t now) {
  const std::int64_t until = whole.settings().paused_until;
  metrics.paused = until > now;
  if (metrics.paused && until < broker::paused_for_ever)
    metrics.paused_until = std::chrono::system_clock::time_point(std::chrono::milliseconds(until));
}

// One topic, all its partitions. `core` outlives it.
Task<TopicMetrics> topic_figures(detail::QueueCore* core, std::string topic) {
  const queue::Whole whole = co_await queue::WholeTopic::find(&core->access(), std::move(topic));
  const auto deadline = core->loop().now() + runtime::Duration(core->config().command_timeout);
  queue::WholeTopic::Call<broker::TopicReport> report = [deadline](queue::WholeTopic::Part& part) {
    return broker::report_topic(part.broker, deadline);
  };
  const auto ends =
      co_await queue::WholeTopic::everywhere<broker::TopicReport>(whole, std::move(report));
  if (ends.error) std::rethrow_exception(ends.error);
  TopicMetrics metrics;
  for (const auto& each : ends.results) api::add_metrics(metrics, topic_metrics_of(*each));
  add_pause(metrics, *whole, ends.results.front()->stats.now);
  co_return metrics;
}

// The topics, each once: some at the same time, so that many do not take many round trips.
Task<> add_topics(detail::QueueCore* core, std::vector<std::string> topics,
                  MetricsSnapshot* snapshot) {
  constexpr std::size_t at_once = 16;
  for (std::size_t from = 0; from < topics.size(); from += at_once) {
    const std::size_t to = std::min(topics.size(), from + at_once);
    std::vector<Task<TopicMetrics>> calls;
    for (std::size_t i = from; i < to; ++i) calls.push_back(topic_figures(core, topics[i]));
    std::vector<TopicMetrics> figures = co_await when_all(std::move(calls));
    for (std::size_t i = from; i < to; ++i)
      snapshot->topics[std::move(topics[i])] = std::move(figures[i - from]);
  }
}

Task<MetricsSnapshot> collect_metrics(std::shared_ptr<detail::QueueCore> core,
                                      std::vector<std::string> topics) {
  co_await core->loop().schedule();
  const queue::Access::Use use(core->access());
  MetricsSnapshot snapshot;
  co_await add_topics(core.get(), std::move(topics), &snapshot);
  queue::add_process_figures(*core, snapshot);
  co_return snapshot;
}

}  // namespace

namespace queue {

Task<MetricsSnapshot> collect_all_metrics(std::shared_ptr<detail::QueueCore> core) {
  co_await core->loop().schedule();
  const Access::Use use(core->access());
  const auto deadline = core->loop().now() + runtime::Duration(core->config().command_timeout);
  std::vector<std::string> topics = co_await core->access().topic_set().list(deadline);
  MetricsSnapshot snapshot;
  snapshot.redis_memory = co_await fullest_memory(&core->access(), topics);
  co_await add_topics(core.get(), std::move(topics), &snapshot);
  add_process_figures(*core, snapshot);
  co_return snapshot;
}

Task<MetricsSnapshot> collect_process_metrics(std::shared_ptr<detail::QueueCore> core) {
  co_await core->loop().schedule();
  MetricsSnapshot snapshot;
  if (core->engine()) {
    for (const auto& topic : core->engine()->topics()) snapshot.topics[topic->name];
  }
  add_process_figures(*core, snapshot);
  co_return snapshot;
}

}  // namespace queue

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

Task<MetricsSnapshot> MetricsCollector::collect_all() { return queue::collect_all_metrics(core_); }

Task<MetricsSnapshot> MetricsCollector::collect_process() {
  return queue::collect_process_metrics(core_);
}

}  // namespace mx_rmq
