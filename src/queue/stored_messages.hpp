#pragma once

#include <cstdint>

#include "broker/message_looker.hpp"
#include "mx_rmq/stored_message.hpp"
#include "mx_rmq/task.hpp"
#include "queue/whole_topic.hpp"

/// The messages of all partitions of a topic, as they are shown. Loop thread only.
namespace mx_rmq::queue {

/// What is told of a message that lies in that partition.
[[nodiscard]] StoredMessage stored_message(int partition, broker::Sighting sighting);

/// A page. Lists follow each other by priority, and in each the partitions; held ones by their
/// consumers; delayed and dead ones of all partitions are in the order of their times.
Task<MessagePage> list_messages(std::shared_ptr<WholeTopic> whole, MessageState state,
                                PageRequest request);
/// One by its id, wherever it is.
Task<FoundMessage> find_message(std::shared_ptr<WholeTopic> whole, std::string id,
                                std::int64_t scan_limit);

}  // namespace mx_rmq::queue
