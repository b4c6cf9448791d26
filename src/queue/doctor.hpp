#pragma once

#include <vector>

#include "mx_rmq/config.hpp"
#include "mx_rmq/diagnosis.hpp"
#include "mx_rmq/metrics.hpp"
#include "queue/server_facts.hpp"

/// What Admin::diagnose() makes of what it has read. Pure.
namespace mx_rmq::queue {

/// A finding for each subject, good ones too.
[[nodiscard]] std::vector<Finding> examine(const ServerFacts& facts, const MQConfig& config);
/// Only of topics that something is wrong with.
[[nodiscard]] std::vector<Finding> examine(const MetricsSnapshot& snapshot);
[[nodiscard]] std::vector<Finding> examine(const HealthReport& report);

}  // namespace mx_rmq::queue
