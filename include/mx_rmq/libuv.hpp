#pragma once

#include <memory>

#include <uv.h>

#include "mx_rmq/runtime.hpp"

/// @file
/// For programs that run a libuv loop of their own: `Runtime::on(&loop)`. This header is optional,
/// mx_rmq.hpp does not include it, and it needs libuv's own headers.
///
/// A Runtime made by Runtime::on() has no loop thread: the library's input, output, timers and
/// coroutine handlers run on the program's loop, between its own callbacks. Handlers that may block
/// have threads as ever.
///
/// - Call Runtime::on() on the thread that runs the loop, before uv_run() or in a callback. A loop
///   that another thread runs ends the process, with a line in the log.
/// - On that thread nothing of the library may be waited for with sync_wait() (it throws
///   std::logic_error), and so not with RedisMessageQueue::run(): start tasks with spawn() and go
///   on in `done`. Other threads may do as they like.
/// - The Runtime keeps uv_run() from returning. After uv_stop(), or between calls with
///   UV_RUN_NOWAIT, nothing moves until the loop runs again; leases of messages end meanwhile as
///   for a process that stands still.
/// - Its destructor, on whichever thread, returns at once. The loop closes what the Runtime had on
///   it as it runs on; when nothing else keeps it, uv_run() returns then, and uv_loop_close()
///   succeeds.
/// - The thread has SIGPIPE blocked from then on.
/// - A thread can run one Runtime's loop: for a second one on the same thread Runtime::on() throws
///   std::logic_error. It throws std::invalid_argument for a null pointer and options out of range.
namespace mx_rmq::detail {

std::shared_ptr<Runtime> runtime_on(uv_loop_t* loop, RuntimeOptions options);

template <>
struct HostLoop<uv_loop_t> {
  static constexpr bool known = true;
  static std::shared_ptr<Runtime> make(uv_loop_t* loop, RuntimeOptions options) {
    return runtime_on(loop, std::move(options));
  }
};

}  // namespace mx_rmq::detail
