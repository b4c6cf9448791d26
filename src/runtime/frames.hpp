#pragma once

#include <cstdint>

namespace mx_rmq::runtime {

/// Number of coroutine frames of this library that exist in the process. Tests use it to see that
/// none is lost. Any thread; exact when no other thread makes or ends coroutines.
std::int64_t live_frames() noexcept;

}  // namespace mx_rmq::runtime
