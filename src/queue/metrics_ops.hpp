#pragma once

#include <memory>

#include "mx_rmq/metrics.hpp"
#include "queue/core.hpp"

namespace mx_rmq::queue {

/// The figures of a queue, behind MetricsCollector.
[[nodiscard]] std::shared_ptr<detail::MetricsOps> make_metrics_ops(
    std::shared_ptr<detail::QueueCore> core);

}  // namespace mx_rmq::queue
