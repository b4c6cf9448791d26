#pragma once

#include <memory>

#include "mx_rmq/stored_message.hpp"
#include "mx_rmq/task.hpp"
#include "queue/whole_topic.hpp"

namespace mx_rmq::queue {

/// Looks at the messages of a topic, the newest of each state first, in short steps with pauses
/// that are as long as those. The request was checked. Loop thread only.
Task<SearchResult> search_messages(std::shared_ptr<WholeTopic> whole, SearchRequest request,
                                   OnSearchProgress progress);

}  // namespace mx_rmq::queue
