#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "mx_rmq/task.hpp"
#include "queue/core.hpp"

namespace mx_rmq::queue {

/// See RedisMessageQueue::start() and run(): consumes until the queue is stopped, by whomever, or a
/// signal comes, or `duration` is over. May be awaited anywhere; ends on the loop thread.
Task<> run_in_foreground(std::shared_ptr<detail::QueueCore> core,
                         std::optional<std::chrono::milliseconds> duration);

}  // namespace mx_rmq::queue
