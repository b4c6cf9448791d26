#pragma once

#include <functional>

#include "mx_rmq/handler.hpp"
#include "mx_rmq/message.hpp"
#include "mx_rmq/task.hpp"

/// @file
/// What a program does around each of its handlers, and with each of its messages, in one place.
namespace mx_rmq {

/// Goes on with the run: the next middleware, and at last the handler. It throws what they threw.
using Next = std::function<Task<>()>;

/// Runs around a handler: what stands before `co_await next()` happens before it, what stands
/// behind happens after it. It is a coroutine:
///
///     queue.use([](mx_rmq::Context& context, mx_rmq::Next next) -> mx_rmq::Task<> {
///       const Stopwatch watch(context.topic());
///       co_await next();
///     });
///
/// What it throws ends the run as if the handler had thrown it (handler.hpp); without calling
/// `next` the handler is left out, and the message acknowledged if it does not throw. It may call
/// `next` again after that has ended.
///
/// Around a coroutine handler it begins on the loop thread and must not block. Around a handler
/// that returns void it begins on that handler's thread and may block; `next` has the handler run
/// on that thread wherever it is called, and goes on there (from a thread of the program's own
/// perhaps on that one).
using Middleware = std::function<Task<>(Context&, Next)>;

/// Sees each message before it is checked and sent, on the thread that calls produce: it may add
/// headers, change options, topic and payload. What it throws is thrown by the call.
using ProduceMiddleware = std::function<void(OutgoingMessage&)>;

}  // namespace mx_rmq
