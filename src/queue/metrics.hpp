#pragma once

#include <memory>

#include "mx_rmq/metrics.hpp"
#include "mx_rmq/task.hpp"

namespace mx_rmq::detail {
class QueueCore;
}  // namespace mx_rmq::detail

namespace mx_rmq::queue {

/// MetricsCollector::collect_all() and collect_process().
Task<MetricsSnapshot> collect_all_metrics(std::shared_ptr<detail::QueueCore> core);
Task<MetricsSnapshot> collect_process_metrics(std::shared_ptr<detail::QueueCore> core);

}  // namespace mx_rmq::queue
