#include <algorithm>
#include <exception>
#include <utility>

#include "api/checks.hpp"
#include "mx_rmq/errors.hpp"
#include "queue/core.hpp"
#include "runtime/log.hpp"
#include "runtime/thread_setup.hpp"

// The queue's life: initialize, start, stop, cleanup. One change at a time; others wait for it.
namespace mx_rmq::detail {

namespace log = runtime::log;
using runtime::Duration;
using runtime::TimePoint;
using namespace std::chrono_literals;

Task<> QueueCore::initialize() { return run_initialize(shared_from_this()); }
Task<> QueueCore::start_background() { return start_patiently(shared_from_this()); }
Task<> QueueCore::start(std::optional<std::chrono::milliseconds> duration) {
  return run_start(shared_from_this(), duration);
}
Task<> QueueCore::stop() { return run_stop(shared_from_this()); }
Task<> QueueCore::cleanup() { return run_cleanup(shared_from_this()); }

Task<> QueueCore::enter_change() {
  while (changing_) co_await settled_.wait();
  changing_ = true;
  settled_.reset();
}

void QueueCore::leave_change() {
  changing_ = false;
  settled_.set();
}

TimePoint QueueCore::closing_deadline() const {
  return loop_.now() + std::clamp<Duration>(Duration(config_.shutdown_timeout) / 6, 400ms, 5s);
}

Task<> QueueCore::run_initialize(std::shared_ptr<QueueCore> self) {
  co_await self->loop_.schedule();
  const Patience patience{self->stops_};
  co_await self->enter_change();
  std::exception_ptr error;
  try {
    self->closed_ = false;
    const Use use(self);
    co_await self->reach(patience);
    self->initialized_ = true;
  } catch (...) {
    error = std::current_exception();
  }
  self->leave_change();
  if (error) std::rethrow_exception(error);
}

Task<> QueueCore::start_patiently(std::shared_ptr<QueueCore> self) {
  co_await self->loop_.schedule();
  const Patience patience{self->stops_};
  co_await run_start_background(self, patience);
}

Task<> QueueCore::run_start_background(std::shared_ptr<QueueCore> self, Patience patience) {
  co_await self->enter_change();
  std::exception_ptr error;
  try {
    self->closed_ = false;
    if (!self->engine_) co_await self->begin(patience);
  } catch (...) {
    error = std::current_exception();
  }
  self->leave_change();
  if (error) std::rethrow_exception(error);
}

Task<> QueueCore::begin(Patience patience) {
  const Use use(shared_from_this());
  co_await reach(patience);
  initialized_ = true;
  const std::size_t pool = static_cast<std::size_t>(config_.connection_pool_size);
  engine_client_ = make_client(pool > 2 ? pool - 2 : 1);
  engine_ = std::make_shared<worker::Engine>(runtime_, engine_client_, config_, *seams_.quarantine);
  adopted_.clear();
  adopt_handlers();
  engine_->start();
  {
    const std::lock_guard lock(mutex_);
    visible_engine_ = engine_.get();
  }
  was_started_ = true;
  started_at_ = loop_.now().time_since_epoch().count();
  stopped_.reset();
  running_ = true;
  log::info("consuming", "topics", adopted_.size(), "workers", config_.max_workers);
}

Task<> QueueCore::end_engine() {
  shutting_down_ = true;
  if (hurried_) engine_->hurry();
  std::exception_ptr error;
  try {
    co_await engine_->stop(config_.shutdown_timeout);
  } catch (...) {
    error = std::current_exception();
  }
  if (error) loop_.report(error);
  co_await engine_client_->close(closing_deadline());
  co_await engine_->finish();
  {
    const std::lock_guard lock(mutex_);
    visible_engine_ = nullptr;
  }
  const auto lost = engine_->leases_lost();
  engine_.reset();  // handlers that were given up may hold it a while yet
  earlier_reconnects_ += engine_client_->health().reconnects;
  engine_client_.reset();
  started_at_ = 0;
  running_ = false;
  shutting_down_ = false;
  stopped_.set();
  log::info("consuming has stopped", "leases_lost", lost);
}

Task<> QueueCore::run_stop(std::shared_ptr<QueueCore> self) {
  co_await self->loop_.schedule();
  self->give_up_reaching();
  co_await self->enter_change();
  if (self->engine_) co_await self->end_engine();
  self->leave_change();
}

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

}  // namespace

void QueueCore::hurry() {
  hurried_ = true;
  if (engine_) engine_->hurry();
}

// The first signal stops the queue, the second gives its handlers no more time, the third ends the
// process.
Task<> QueueCore::heed_signals(std::shared_ptr<QueueCore> self,
                               std::shared_ptr<runtime::SignalWaiter> signals,
                               runtime::Scope* scope) {
  for (std::size_t number = 1;; ++number) {
    const std::optional<int> signal = co_await signals->wait(number);
    if (!signal) co_return;
    if (number == 1) {
      log::info("stopping", "signal", *signal);
      scope->spawn(self->stop());
    } else if (number == 2) {
      log::warn("a second signal: handlers get no more time; the next one ends the process",
                "signal", *signal);
      self->hurry();
    } else {
      log::error("a third signal: the process ends at once", "signal", *signal);
      runtime::end_process_by(*signal);
    }
  }
}

Task<> QueueCore::run_start(std::shared_ptr<QueueCore> self,
                            std::optional<std::chrono::milliseconds> duration) {
  co_await self->loop_.schedule();
  // Before anything runs, so that no signal in between ends the process.
  const auto signals = std::make_shared<runtime::SignalWaiter>(self->loop_);
  self->hurried_ = false;
  Patience patience{self->stops_};
  if (duration) {
    duration = std::clamp<std::chrono::milliseconds>(*duration, 0ms, api::max_delay);
    patience.until = self->loop_.now() + Duration(*duration);
  }
  runtime::Scope scope(self->loop_);
  scope.spawn(heed_signals(self, signals, &scope));
  std::exception_ptr error;
  try {
    co_await run_start_background(self, patience);
  } catch (...) {
    error = std::current_exception();
  }
  if (error) {
    const std::optional<int> signal = signals->told();
    signals->cancel();
    co_await scope.join();
    // What was stopped while it waited has done what it was told. And a signal that is thrown would be
    // lost on a caller that tries again.
    const bool impatient = self->stops_ != patience.stops || self->loop_.now() >= patience.until;
    const bool gave_up = self->config_.wait_for_redis && impatient && is_shutdown(error);
    if (!signal && !gave_up) std::rethrow_exception(error);
    log::info("stopped before consuming had begun");
    co_return;
  }
  if (self->topics().empty())
    log::warn(
        "nothing is consumed, as no handler is registered: call register_handler(topic, handler), "
        "before the start or now");
  if (duration) {
    const bool ended = co_await self->stopped_.wait_until(self->loop_.now() + Duration(*duration));
    if (!ended) co_await self->stop();
  }
  co_await self->stopped_.wait();
  signals->cancel();
  co_await scope.join();
}

Task<> QueueCore::close_ports() {
  const TimePoint deadline = closing_deadline();
  co_await ports_->close(deadline);
  co_await client_->close(deadline);
  if (!unused_.is_set()) co_await unused_.wait();
  co_await scope_->join();
  ports_.reset();
  topic_set_.reset();
  earlier_reconnects_ += client_->health().reconnects;
  client_.reset();
  scope_.reset();
}

Task<> QueueCore::run_cleanup(std::shared_ptr<QueueCore> self) {
  co_await self->loop_.schedule();
  self->give_up_reaching();
  co_await self->enter_change();
  if (self->engine_) co_await self->end_engine();
  self->closed_ = true;
  if (self->client_) co_await self->close_ports();
  self->initialized_ = false;
  self->leave_change();
}

namespace {

// A coroutine that nobody awaits; it frees itself.
struct Detached {
  struct promise_type {
    Detached get_return_object() noexcept { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept {
      try {
        throw;
      } catch (const std::exception& e) {
        log::error("cleaning up failed", "error", e.what());
      }
    }
  };
};

Detached run_detached(std::shared_ptr<QueueCore> core) {
  Task<> task = core->cleanup();
  co_await std::move(task);
}

}  // namespace

void QueueCore::cleanup_detached(std::shared_ptr<QueueCore> core) { run_detached(std::move(core)); }

}  // namespace mx_rmq::detail
