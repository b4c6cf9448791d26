#pragma once

#include <cstdint>
#include <string>

#include "broker/topic_broker.hpp"
#include "mx_rmq/task.hpp"
#include "queue/access.hpp"

namespace mx_rmq::queue {

/// Notes how a topic is, in each of its partitions where nobody has in this minute. Within a Use.
Task<> note_history(Access* access, std::string topic);
/// The same of one partition; how many entries were written. `broker` outlives it.
Task<std::int64_t> write_snapshot(broker::TopicBroker* broker, runtime::TimePoint deadline);

}  // namespace mx_rmq::queue
