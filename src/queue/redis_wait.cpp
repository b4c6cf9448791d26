#include "queue/redis_wait.hpp"

#include <algorithm>
#include <string>

#include "mx_rmq/errors.hpp"
#include "queue/core.hpp"
#include "redis/wire/call_end.hpp"
#include "runtime/event.hpp"
#include "runtime/log.hpp"

namespace mx_rmq::queue {

namespace log = runtime::log;
using detail::QueueCore;
using runtime::Duration;
using runtime::TimePoint;
using namespace std::chrono_literals;

/// One try to reach Redis, shared by the call that waits and by whoever ends its waiting.
struct RedisWait::Try {
  explicit Try(runtime::EventLoop& loop) : over(loop) {}

  runtime::Event over;  // set when it has ended, or nobody waits for it any more
  bool ended = false;
  redis::CallEnd end;
};

bool RedisWait::is_over(const Patience& patience) const {
  return stops_ != patience.stops || core_.loop().now() >= patience.until;
}

void RedisWait::give_up() {
  ++stops_;
  if (const auto one = try_.lock()) one->over.set();
}

Task<> RedisWait::try_to_reach(std::shared_ptr<QueueCore> core, std::shared_ptr<Try> one,
                               TimePoint deadline) {
  try {
    co_await core->ping(deadline, QueueCore::Unfit::wait);
  } catch (...) {
    one->end = redis::CallEnd::caught();
  }
  one->ended = true;
  one->over.set();
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

Task<> RedisWait::reach(Patience patience) {
  runtime::EventLoop& loop = core_.loop();
  const MQConfig& config = core_.config();
  const Duration one_try(config.connect_timeout);
  if (!config.wait_for_redis) {
    co_await core_.ping(loop.now() + one_try, QueueCore::Unfit::wait);
    co_return;
  }
  log::Every gate(30s);
  std::string why = "it was not tried";
  for (bool first = true;; first = false) {
    if (is_over(patience))
      throw ShutdownError("the queue was stopped while it waited for Redis: " + why);
    core_.access().open();
    const auto one = std::make_shared<Try>(loop);
    try_ = one;
    const TimePoint deadline = std::min(patience.until, loop.now() + one_try);
    // Beside this coroutine: giving up must not wait for the end of the try.
    core_.access().scope().spawn(try_to_reach(core_.shared_from_this(), one, deadline));
    co_await one->over.wait_until(deadline + one_try);
    if (!one->ended) continue;
    if (one->end.answered()) {
      if (!first) log::info("Redis is there");
      co_return;
    }
    why = why_not_there(one->end);
    log::warn(gate, "waiting for Redis", "error", why);
    one->over.reset();
    if (stops_ != patience.stops) continue;
    co_await one->over.wait_until(loop.now() + Duration(config.reconnect_backoff_min));
  }
}

}  // namespace mx_rmq::queue
