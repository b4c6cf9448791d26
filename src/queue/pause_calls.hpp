#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "mx_rmq/pause.hpp"
#include "mx_rmq/task.hpp"
#include "queue/core.hpp"

/// See Admin::pause(), Admin::resume() and RedisMessageQueue::interrupt(). Each may be awaited
/// anywhere; it ends on the loop thread.
namespace mx_rmq::queue {

Task<Paused> pause(std::shared_ptr<detail::QueueCore> core, std::string topic,
                   std::optional<std::chrono::milliseconds> duration);
Task<> resume(std::shared_ptr<detail::QueueCore> core, std::string topic);
Task<bool> interrupt(std::shared_ptr<detail::QueueCore> core, std::string topic, std::string id);

}  // namespace mx_rmq::queue
