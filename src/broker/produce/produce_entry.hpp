#pragma once

#include <cassert>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <utility>

#include "broker/data/outgoing_envelope.hpp"
#include "runtime/event_loop.hpp"

namespace mx_rmq::broker {

/// How a produced message ended up.
enum class Produced : std::uint8_t {
  enqueued,
  duplicate,  ///< its chosen id is still in use: nothing was changed
  stale,      ///< routed by settings that have changed: surely not stored, it is to be routed again
  moved       ///< there is no connection: surely not stored, it may go elsewhere
};

/// One of several messages submitted together.
struct ProduceOutcome {
  Produced result = Produced::enqueued;
  std::exception_ptr error;  ///< if it failed
};

/// Messages whose submitter waits for all of them; lives in its frame.
class ProduceGroup {
 public:
  explicit ProduceGroup(std::size_t messages) noexcept : left_(messages) {}

  bool await_ready() const noexcept { return left_ == 0; }
  void await_suspend(std::coroutine_handle<> awaiter) noexcept { awaiter_ = awaiter; }
  void await_resume() const noexcept {}

  void one_done(runtime::EventLoop& loop) {
    assert(left_ > 0 && "each message has one outcome");
    if (--left_ == 0 && awaiter_) loop.defer(std::exchange(awaiter_, {}));
  }

 private:
  std::size_t left_;
  std::coroutine_handle<> awaiter_;
};

/// A message under way; lives in its submitter's frame until its outcome is set.
struct ProduceEntry {
  const OutgoingEnvelope* message = nullptr;
  std::uint64_t order = 0;  // of submission
  runtime::TimePoint deadline{};
  ProduceGroup* group = nullptr;
  ProduceOutcome outcome;

  void succeed(Produced result, runtime::EventLoop& loop) {
    outcome.result = result;
    group->one_done(loop);
  }
  void fail(std::exception_ptr error, runtime::EventLoop& loop) {
    outcome.error = std::move(error);
    group->one_done(loop);
  }
};

}  // namespace mx_rmq::broker
