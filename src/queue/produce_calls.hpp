#pragma once

#include <memory>
#include <string>
#include <vector>

#include "broker/data/outgoing_envelope.hpp"
#include "mx_rmq/task.hpp"
#include "queue/core.hpp"

/// See RedisMessageQueue::produce() and produce_batch(). Each may be awaited anywhere; it ends on
/// the loop thread.
namespace mx_rmq::queue {

Task<std::string> produce(std::shared_ptr<detail::QueueCore> core, std::string topic,
                          broker::OutgoingEnvelope envelope);
/// The i-th message goes to the i-th topic.
Task<std::vector<std::string>> produce_batch(std::shared_ptr<detail::QueueCore> core,
                                             std::vector<std::string> topics,
                                             std::vector<broker::OutgoingEnvelope> envelopes);

}  // namespace mx_rmq::queue
