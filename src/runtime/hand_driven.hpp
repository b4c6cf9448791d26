#pragma once

#include <memory>

#include "mx_rmq/runtime.hpp"
#include "runtime/event_loop.hpp"

namespace mx_rmq::runtime {

/// A Runtime without a loop thread, for simulations: whoever made it calls EventLoop::turn(), all
/// on one thread, when `clock`, which must outlive it, says that something is due. Its destructor
/// ends the loop on the calling thread. Blocking calls still have threads.
std::shared_ptr<Runtime> make_hand_driven(const Clock& clock);

}  // namespace mx_rmq::runtime
