#pragma once

#include "mx_rmq/metrics.hpp"

namespace mx_rmq::api {

/// Adds the figures of a part, or of another topic, to a sum. Of consumers and ages the sum has the
/// greatest.
void add_metrics(TopicMetrics& sum, const TopicMetrics& part);

}  // namespace mx_rmq::api
