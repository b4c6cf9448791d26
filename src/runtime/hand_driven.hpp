#pragma once

#include <memory>

#include "runtime/runtime_access.hpp"

namespace mx_rmq::runtime {

/// A Runtime without a loop thread, for simulations: whoever made it calls EventLoop::turn(), all
/// on one thread, when `clock`, which must outlive it, says that something is due. Its destructor
/// ends the loop on the calling thread. Blocking calls still have threads.
inline std::shared_ptr<Runtime> make_hand_driven(const Clock& clock) {
  return RuntimeAccess::hand_driven(clock);
}

}  // namespace mx_rmq::runtime
