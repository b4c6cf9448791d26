#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mx_rmq/task.hpp"

#include "broker/scripts/calls_stats.hpp"
#include "broker/topic_broker.hpp"

namespace mx_rmq::broker {

struct ConsumerLoad {
  std::string consumer;
  std::int64_t lease_until = 0;  ///< unix ms; 0 = being reaped
  std::int64_t holds = 0;        ///< messages
};

struct TopicReport {
  Stats::Reply stats;
  std::int64_t processing = 0;  ///< messages held by the consumers below
  std::vector<ConsumerLoad> consumers;
};

/// Lengths, counters and consumers of a topic, and what those hold. Not one instant: what the
/// consumers hold is asked after the rest. Loop thread only; `broker` must outlive it. Errors: see
/// ScriptCaller.
[[nodiscard]] Task<TopicReport> report_topic(TopicBroker& broker, TimePoint deadline);

}  // namespace mx_rmq::broker
