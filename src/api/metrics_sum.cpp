#include "api/metrics_sum.hpp"

#include <algorithm>

#include "api/counters.hpp"

namespace mx_rmq::api {

void add_metrics(TopicMetrics& sum, const TopicMetrics& part) {
  sum.pending += part.pending;
  sum.suspects += part.suspects;
  sum.processing += part.processing;
  sum.delayed += part.delayed;
  sum.dead_letters += part.dead_letters;
  // Who consumes a topic consumes each of its partitions.
  sum.consumers = std::max(sum.consumers, part.consumers);
  for (const Counter& counter : counters)
    sum.counters.*counter.member += part.counters.*counter.member;
  for (const auto& [reason, count] : part.dead_by_reason) sum.dead_by_reason[reason] += count;
  for (const Age& age : ages)
    sum.ages.*age.member = std::max(sum.ages.*age.member, part.ages.*age.member);
  for (const auto& [outcome, times] : part.run_times) sum.run_times[outcome].add(times);
  sum.wait_times.add(part.wait_times);
  sum.paused = sum.paused || part.paused;
  sum.handled_here = sum.handled_here || part.handled_here;
}

}  // namespace mx_rmq::api
