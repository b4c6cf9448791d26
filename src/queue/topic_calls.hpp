#pragma once

#include <memory>
#include <string>

#include "mx_rmq/task.hpp"
#include "mx_rmq/topic_settings.hpp"
#include "queue/core.hpp"

/// See RedisMessageQueue::cancel(), forget(), configure() and settings(). Each may be awaited
/// anywhere; it ends on the loop thread.
namespace mx_rmq::queue {

Task<bool> cancel(std::shared_ptr<detail::QueueCore> core, std::string topic, std::string id);
Task<bool> forget(std::shared_ptr<detail::QueueCore> core, std::string topic);
Task<> configure(std::shared_ptr<detail::QueueCore> core, std::string topic,
                 TopicSettings settings);
Task<TopicSettings> topic_settings(std::shared_ptr<detail::QueueCore> core, std::string topic);

}  // namespace mx_rmq::queue
