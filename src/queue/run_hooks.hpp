#pragma once

#include <memory>

#include "mx_rmq/detail/erase_handler.hpp"
#include "queue/hooks.hpp"

namespace mx_rmq::queue {

/// The handler with the hooks around it; the same one if there are none for runs. Whatever it
/// needs it keeps alive.
[[nodiscard]] detail::ErasedHandler with_hooks(detail::ErasedHandler handler,
                                               std::shared_ptr<const Hooks> hooks);

}  // namespace mx_rmq::queue
