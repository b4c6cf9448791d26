#pragma once

#include <memory>

#include "mx_rmq/metrics.hpp"
#include "mx_rmq/task.hpp"
#include "queue/core.hpp"

namespace mx_rmq::queue {

/// See RedisMessageQueue::health_check().
Task<HealthReport> check_health(std::shared_ptr<detail::QueueCore> core);

}  // namespace mx_rmq::queue
