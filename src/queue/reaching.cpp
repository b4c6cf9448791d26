#include <algorithm>
#include <memory>
#include <string>

#include "mx_rmq/errors.hpp"
#include "queue/core.hpp"
#include "redis/wire/call_end.hpp"
#include "runtime/event.hpp"
#include "runtime/log.hpp"

// Reaching Redis at the beginning, and waiting for one that is not there yet.
namespace mx_rmq::detail {

namespace log = runtime::log;
using runtime::Duration;
using runtime::TimePoint;
using namespace std::chrono_literals;

struct QueueCore::Attempt {
  explicit Attempt(runtime::EventLoop& loop) : over(loop) {}

  runtime::Event over;  // set when it has ended, or nobody waits for it any more
  bool ended = false;
  redis::CallEnd end;  // of the try
};

void QueueCore::give_up_reaching() {
  ++stops_;
  if (const auto attempt = attempt_.lock()) attempt->over.set();
}

Task<> QueueCore::try_to_reach(std::shared_ptr<QueueCore> self, std::shared_ptr<Attempt> attempt,
                               TimePoint deadline) {
  try {
    co_await self->ping(deadline, Unfit::wait);
  } catch (...) {
    attempt->end = redis::CallEnd::caught();
  }
  attempt->ended = true;
  attempt->over.set();
}

namespace {

/// The text of an error that says that Redis is not there yet; others are rethrown.
std::string why_not_there(const redis::CallEnd& end) {
  using Kind = redis::CallEnd::Kind;
  if (end.kind() == Kind::refused || end.kind() == Kind::shut_down || end.kind() == Kind::broken) {
    end.rethrow();
  }
  return end.what();
}

}  // namespace

Task<> QueueCore::reach(Patience patience) {
  const Duration one_try(config_.connect_timeout);
  if (!config_.wait_for_redis) {
    co_await ping(loop_.now() + one_try, Unfit::wait);
    co_return;
  }
  log::Every gate(30s);
  std::string why = "it was not tried";
  for (bool first = true;; first = false) {
    if (stops_ != patience.stops || loop_.now() >= patience.until)
      throw ShutdownError("the queue was stopped while it waited for Redis: " + why);
    open();
    const auto attempt = std::make_shared<Attempt>(loop_);
    attempt_ = attempt;
    const TimePoint deadline = std::min(patience.until, loop_.now() + one_try);
    // Beside this coroutine: giving up must not wait for the end of the try.
    scope_->spawn(try_to_reach(shared_from_this(), attempt, deadline));
    co_await attempt->over.wait_until(deadline + one_try);
    if (!attempt->ended) continue;
    if (attempt->end.answered()) {
      if (!first) log::info("Redis is there");
      co_return;
    }
    why = why_not_there(attempt->end);
    log::warn(gate, "waiting for Redis", "error", why);
    attempt->over.reset();
    if (stops_ != patience.stops) continue;
    co_await attempt->over.wait_until(loop_.now() + Duration(config_.reconnect_backoff_min));
  }
}

}  // namespace mx_rmq::detail
