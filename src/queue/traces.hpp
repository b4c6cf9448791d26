#pragma once

#include <functional>
#include <memory>
#include <string>

#include "mx_rmq/handler.hpp"
#include "mx_rmq/message.hpp"
#include "mx_rmq/task.hpp"
#include "mx_rmq/tracing.hpp"
#include "queue/hooks.hpp"

namespace mx_rmq::queue {

/// The span of one run, from its construction to its destruction; nothing without a tracer. What
/// the tracer throws is logged.
class TracedRun {
 public:
  /// `context` outlives it.
  TracedRun(const Hooks& hooks, Context& context);
  ~TracedRun();
  TracedRun(const TracedRun&) = delete;
  TracedRun& operator=(const TracedRun&) = delete;

  /// Calls `work` with the span as the current one of this thread.
  void run(const std::function<void()>& work);
  /// It failed by the exception that is being handled.
  void fail() noexcept;

 private:
  Context& context_;
  std::unique_ptr<Span> span_;
};

/// The span of a message that is being produced.
class TracedSend {
 public:
  TracedSend() = default;
  /// Begins it and puts its context into the message's headers, in the place of one that stands
  /// there and is its parent then.
  TracedSend(Tracer& tracer, OutgoingMessage& message);

  /// It ends.
  void sent_as(const std::string& id) noexcept;
  /// It ends, and has failed by the exception that is being handled.
  void fail() noexcept;

 private:
  std::unique_ptr<Span> span_;
};

}  // namespace mx_rmq::queue
