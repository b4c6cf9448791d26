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
  StatsResult stats;
  std::int64_t processing = 0;  ///< messages held by the consumers below
  std::vector<ConsumerLoad> consumers;
};

/// Figures of one topic. Loop thread only. The broker must outlive it and its tasks. Errors: see ScriptCaller.
class TopicStats {
 public:
  explicit TopicStats(TopicBroker& broker) noexcept : broker_(&broker) {}

  /// Lengths, counters, consumers, and what those hold. Not one instant: what the consumers hold is asked
  /// after the rest.
  Task<TopicReport> report(TimePoint deadline);

  /// Looks at every message of the topic, if there are at most `most`: for tests and operators. Redis does
  /// nothing else meanwhile. `changed` when the consumers kept changing until `deadline`.
  Task<AuditReport> audit(TimePoint deadline, std::int64_t most = 100'000);

 private:
  TopicBroker* broker_;
};

}  // namespace mx_rmq::broker
