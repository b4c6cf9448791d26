#pragma once

#include <memory>

#include "mx_rmq/runtime.hpp"
#include "runtime/event_loop.hpp"
#include "runtime/mono_clock.hpp"

namespace mx_rmq {

namespace runtime {

/// What the library itself may do with a Runtime.
struct RuntimeAccess {
  /// See make_hand_driven().
  static std::shared_ptr<Runtime> hand_driven(const Clock& clock);
  /// See Runtime::on().
  static std::shared_ptr<Runtime> guest_on(uv_loop_t* host, RuntimeOptions options);
};

}  // namespace runtime

namespace detail {

/// Declared again in mx_rmq/libuv.hpp, which is the only public header to name libuv.
std::shared_ptr<Runtime> runtime_on(uv_loop_t* loop, RuntimeOptions options);

}  // namespace detail
}  // namespace mx_rmq
