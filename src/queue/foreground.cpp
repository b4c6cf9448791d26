#include "queue/foreground.hpp"

#include <algorithm>
#include <exception>
#include <memory>
#include <utility>

#include "api/checks.hpp"
#include "mx_rmq/errors.hpp"
#include "runtime/log.hpp"
#include "runtime/scope.hpp"
#include "runtime/signal_waiter.hpp"
#include "runtime/thread_setup.hpp"

namespace mx_rmq::queue {

namespace log = runtime::log;
using detail::QueueCore;
using runtime::Duration;
using runtime::TimePoint;
using namespace std::chrono_literals;

namespace {

bool is_shutdown(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const ShutdownError&) {
    return true;
  } catch (...) {
    return false;
  }
}

// The first signal stops the queue, the second gives its handlers no more time, the third ends the
// process.
Task<> heed_signals(std::shared_ptr<QueueCore> core, std::shared_ptr<runtime::SignalWaiter> signals,
                    runtime::Scope* scope) {
  for (std::size_t number = 1;; ++number) {
    const std::optional<int> signal = co_await signals->wait(number);
    if (!signal) co_return;
    if (number == 1) {
      log::info("stopping", "signal", *signal);
      scope->spawn(core->stop());
    } else if (number == 2) {
      log::warn("a second signal: handlers get no more time; the next one ends the process",
                "signal", *signal);
      core->hurry(true);
    } else {
      log::error("a third signal: the process ends at once", "signal", *signal);
      runtime::end_process_by(*signal);
    }
  }
}

}  // namespace

Task<> run_in_foreground(std::shared_ptr<QueueCore> core,
                         std::optional<std::chrono::milliseconds> duration) {
  runtime::EventLoop& loop = core->loop();
  co_await loop.schedule();
  // Before anything runs, so that no signal in between ends the process.
  const auto signals = std::make_shared<runtime::SignalWaiter>(loop);
  core->hurry(false);
  RedisWait::Patience patience = core->redis_wait().patience();
  if (duration) {
    duration = std::clamp<std::chrono::milliseconds>(*duration, 0ms, api::max_delay);
    patience.until = loop.now() + Duration(*duration);
  }
  runtime::Scope scope(loop);
  scope.spawn(heed_signals(core, signals, &scope));
  std::exception_ptr error;
  try {
    co_await QueueCore::start_within(core, patience);
  } catch (...) {
    error = std::current_exception();
  }
  if (error) {
    const std::optional<int> signal = signals->told();
    signals->cancel();
    co_await scope.join();
    // What was stopped while it waited has done what it was told. And a signal that is thrown would
    // be lost on a caller that tries again.
    const bool gave_up =
        core->config().wait_for_redis && core->redis_wait().is_over(patience) && is_shutdown(error);
    if (!signal && !gave_up) std::rethrow_exception(error);
    log::info("stopped before consuming had begun");
    co_return;
  }
  if (core->topics().empty())
    log::warn(
        "nothing is consumed, as no handler is registered: call register_handler(topic, handler), "
        "before the start or now");
  if (duration) {
    const bool ended = co_await core->stopped().wait_until(loop.now() + Duration(*duration));
    if (!ended) co_await core->stop();
  }
  co_await core->stopped().wait();
  signals->cancel();
  co_await scope.join();
}

}  // namespace mx_rmq::queue
