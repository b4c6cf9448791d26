#pragma once

#include "mx_rmq/metrics.hpp"
#include "queue/core.hpp"

namespace mx_rmq::queue {

/// Adds what this process knows of itself: of the queue, and of those topics that are in the
/// snapshot. Loop thread.
void add_process_figures(detail::QueueCore& core, MetricsSnapshot& snapshot);

}  // namespace mx_rmq::queue
