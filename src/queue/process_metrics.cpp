#include "queue/process_metrics.hpp"

#include <array>
#include <cstddef>

namespace mx_rmq::queue {
namespace {

using Kind = worker::Outcome::Kind;

// By their places.
constexpr std::array<const char*, worker::Outcome::kinds> outcome_names{
    "completed", "failed", "rejected", "retry_after", "undecodable", "interrupted"};
static_assert(static_cast<std::size_t>(Kind::interrupted) == worker::Outcome::kinds - 1);

void add_runs(const worker::Runner& runner, const worker::Topic& topic, TopicMetrics& metrics) {
  metrics.handled_here = true;
  metrics.avg_time_ms = runner.times(topic).average_ms();
  metrics.max_time_ms = runner.times(topic).longest_ms();
  metrics.wait_times = runner.outcomes().waits(topic);
  for (std::size_t i = 0; i < worker::Outcome::kinds; ++i) {
    const DurationHistogram& runs = runner.outcomes().runs(topic, static_cast<Kind>(i));
    if (runs.count() > 0) metrics.run_times.emplace(outcome_names[i], runs);
  }
}

}  // namespace

void add_process_figures(detail::QueueCore& core, MetricsSnapshot& snapshot) {
  snapshot.reconnects = core.reconnects();
  snapshot.loop_lag = core.loop().lag();
  if (!core.engine()) return;
  worker::Runner& runner = core.engine()->runner();
  for (const auto& topic : core.engine()->topics()) {
    const auto found = snapshot.topics.find(topic->name);
    if (found != snapshot.topics.end()) add_runs(runner, *topic, found->second);
  }
  snapshot.messages_per_minute = runner.completed_per_minute();
  snapshot.handlers_active = static_cast<std::int64_t>(runner.active());
  snapshot.zombies = runner.zombies();
  snapshot.local_queue_size = static_cast<std::int64_t>(runner.not_started());
}

}  // namespace mx_rmq::queue
