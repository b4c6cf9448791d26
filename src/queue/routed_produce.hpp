#pragma once

#include <vector>

#include "broker/data/outgoing_envelope.hpp"
#include "broker/produce/produce_entry.hpp"
#include "mx_rmq/task.hpp"
#include "queue/access.hpp"

/// Producing to a topic that may have several partitions. What is passed by pointer outlives the
/// tasks. Loop thread only.
namespace mx_rmq::queue {

/// Whether it can go to partition 0 as if there were no others, whatever is set for the topic.
/// `first` is the port of that partition.
[[nodiscard]] inline bool goes_plain(const TopicPort& first,
                                     const broker::OutgoingEnvelope& message) {
  return !message.keyed && !message.chosen && first.settings.known().active == 1;
}

/// Has it stored in its partition, and notes that in a generated id: what routes it may change
/// while it is under way, and then it is routed again, once it is sure that it was not stored.
/// Returns `enqueued` or `duplicate`; errors as Producer.
Task<broker::Produced> produce_routed(Access* access, TopicPort* first,
                                      broker::OutgoingEnvelope* message,
                                      runtime::TimePoint deadline);
/// The same for several; an outcome for each. Those of one partition keep their order.
Task<std::vector<broker::ProduceOutcome>> produce_all_routed(
    Access* access, TopicPort* first, std::vector<broker::OutgoingEnvelope*> messages,
    runtime::TimePoint deadline);

}  // namespace mx_rmq::queue
