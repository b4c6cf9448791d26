#pragma once

#include <memory>

#include "mx_rmq/dead_letters.hpp"
#include "queue/core.hpp"

namespace mx_rmq::queue {

/// The dead letters of a queue, behind DeadLetterQueue.
[[nodiscard]] std::shared_ptr<detail::DeadLetterOps> make_dead_letter_ops(
    std::shared_ptr<detail::QueueCore> core);

}  // namespace mx_rmq::queue
