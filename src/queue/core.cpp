#include "queue/core.hpp"

#include <algorithm>
#include <cassert>
#include <exception>
#include <stdexcept>
#include <utility>

#include "api/checks.hpp"
#include "mx_rmq/errors.hpp"
#include "mx_rmq/runtime.hpp"
#include "queue/client_options.hpp"
#include "queue/run_hooks.hpp"
#include "redis/wire/call_end.hpp"
#include "runtime/blocking_pool.hpp"
#include "runtime/log.hpp"

namespace mx_rmq::detail {

namespace log = runtime::log;
using runtime::Duration;
using runtime::TimePoint;
using namespace std::chrono_literals;

namespace {

constexpr auto ask_again = 20ms;

}  // namespace

QueueCore::QueueCore(MQConfig config, std::shared_ptr<Runtime> runtime, queue::Seams seams)
    : config_(std::move(config)),
      runtime_(std::move(runtime)),
      seams_(std::move(seams)),
      loop_(runtime_->event_loop()),
      access_(loop_, config_, [this](std::size_t lanes) { return make_client(lanes); }),
      redis_wait_(*this),
      settled_(loop_),
      stopped_(loop_) {
  settled_.set();
  stopped_.set();
  runtime_->blocking_pool().ensure_threads(static_cast<std::size_t>(config_.blocking_threads));
  if (!config_.tls_verify)
    log::warn(
        "the certificates of Redis servers are not looked at (tls_verify is false): anybody on the "
        "way can read and change what is sent");
}

QueueCore::~QueueCore() = default;

// --- handlers ---

void QueueCore::add_handler(std::string topic, ErasedHandler handler, HandlerOptions options) {
  api::validate_topic(topic);
  api::validate_handler_options(options, config_);
  if (options.executor() && !handler.blocking)
    throw std::invalid_argument(
        "executor: the handler is a coroutine, which runs on the loop thread; an executor runs "
        "handlers that return void");
  const auto late = api::late_retry(options, config_);
  {
    const std::lock_guard lock(mutex_);
    Handler entry{std::move(handler), std::move(options)};
    const auto [place, fresh] = handlers_.try_emplace(topic, std::move(entry));
    if (!fresh)
      throw std::invalid_argument("topic: \"" + topic +
                                  "\" has a handler already; a queue takes one per topic");
  }
  if (late)
    log::warn(
        "a retry would be due when message_ttl is over: instead of it the message is a dead letter "
        "\"expired\", unless it was produced with a longer time to live",
        "topic", topic, "retry", late->number, "due_after", Duration(late->after), "message_ttl",
        Duration(config_.message_ttl));
  loop_.post([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->adopt_handlers();
  });
}

void QueueCore::adopt_handlers() {
  if (!engine_) return;
  std::vector<std::pair<std::string, Handler>> fresh;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [topic, handler] : handlers_)
      if (adopted_.insert(topic).second) fresh.emplace_back(topic, handler);
  }
  for (auto& [topic, handler] : fresh) {
    auto hooked = queue::with_hooks(std::move(handler.handler), hooks_.get());
    engine_->add(topic, std::move(hooked), handler.options);
    if (access_.is_forbidden()) continue;
    const queue::TopicPorts::Use port = access_.port(topic);
    access_.note(topic, *port);
  }
}

std::vector<std::string> QueueCore::topics() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [topic, handler] : handlers_) names.push_back(topic);
  return names;
}

QueueStatus QueueCore::status() const {
  QueueStatus status;
  status.running = running_.load();
  status.initialized = initialized_.load();
  status.shutting_down = shutting_down_.load();
  status.registered_topics = topics();
  if (const auto since = started_at_.load(); since != 0) {
    const Duration up = loop_.now().time_since_epoch() - Duration(since);
    status.uptime = std::chrono::duration_cast<std::chrono::seconds>(up);
  }
  const std::lock_guard lock(mutex_);
  if (visible_engine_ != nullptr) {
    status.local_queue_size = visible_engine_->runner().not_started();
    status.active_handlers = visible_engine_->runner().active();
  }
  return status;
}

// --- Redis ---

std::shared_ptr<redis::Client> QueueCore::make_client(std::size_t lanes) {
  redis::ClientOptions options = queue::client_options(config_, lanes);
  redis::Seams seams = seams_.redis(loop_, options.connection);
  return redis::make_client(loop_, std::move(options), std::move(seams), shared_);
}

Task<> QueueCore::ping(TimePoint deadline, Unfit what) {
  access_.open();
  for (;;) {
    const TimePoint until = std::min(deadline, loop_.now() + Duration(config_.command_timeout));
    redis::CallEnd end;
    try {
      co_await access_.client()->check(until);
    } catch (...) {
      end = redis::CallEnd::caught();
    }
    if (end.answered()) co_return;
    bool again = false;
    if (end.kind() == redis::CallEnd::Kind::no_reply) {
      again = true;  // the connection was lost or silent: there is another one, while there is time
    } else if (end.kind() == redis::CallEnd::Kind::not_sent) {
      // Health waits for what may still come, not for something better than what is there.
      again = what == Unfit::wait || unfit().empty();
    }
    if (!again || loop_.now() + ask_again >= deadline) end.rethrow();
    co_await sleep_for(ask_again);
  }
}

std::string QueueCore::unfit() const {
  std::string text;
  if (access_.client() != nullptr) text = access_.client()->health().unfit;
  if (text.empty() && engine_client_) text = engine_client_->health().unfit;
  return text;
}

std::string QueueCore::discovery() const {
  if (access_.client() == nullptr) return {};
  return access_.client()->health().discovery;
}

std::int64_t QueueCore::reconnects() const {
  std::uint64_t sum = access_.reconnects() + engine_reconnects_;
  if (engine_client_) sum += engine_client_->health().reconnects;
  return static_cast<std::int64_t>(sum);
}

std::uint16_t QueueCore::serve_metrics(MetricsServerOptions options) {
  if (access_.is_forbidden()) throw ShutdownError("mx_rmq: the queue was cleaned up");
  auto server = std::make_unique<queue::MetricsServer>(*this, std::move(options));
  const std::uint16_t port = server->port();
  metrics_servers_.push_back(std::move(server));
  return port;
}

// --- life ---

Task<> QueueCore::initialize() { return run_initialize(shared_from_this()); }
Task<> QueueCore::start_background() { return run_start_background(shared_from_this()); }
Task<> QueueCore::stop() { return run_stop(shared_from_this()); }
Task<> QueueCore::cleanup() { return run_cleanup(shared_from_this()); }

QueueCore::Change::Change(QueueCore& core) : core_(core) {
  assert(!core_.changing_ && "one change at a time");
  core_.changing_ = true;
  core_.settled_.reset();
}

QueueCore::Change::~Change() {
  core_.changing_ = false;
  core_.settled_.set();
}

TimePoint QueueCore::closing_deadline() const {
  return loop_.now() + std::clamp<Duration>(Duration(config_.shutdown_timeout) / 6, 400ms, 5s);
}

Task<> QueueCore::run_initialize(std::shared_ptr<QueueCore> self) {
  co_await self->loop_.schedule();
  const queue::RedisWait::Patience patience = self->redis_wait_.patience();
  while (self->changing_) co_await self->settled_.wait();
  const Change change(*self);
  self->access_.allow();
  const queue::Access::Use use(self->access_);
  co_await self->redis_wait_.reach(patience);
  self->initialized_ = true;
}

Task<> QueueCore::run_start_background(std::shared_ptr<QueueCore> self) {
  co_await self->loop_.schedule();
  const queue::RedisWait::Patience patience = self->redis_wait_.patience();
  co_await start_within(self, patience);
}

Task<> QueueCore::start_within(std::shared_ptr<QueueCore> core,
                               queue::RedisWait::Patience patience) {
  while (core->changing_) co_await core->settled_.wait();
  const Change change(*core);
  core->access_.allow();
  if (!core->engine_) co_await core->begin(patience);
}

Task<> QueueCore::begin(queue::RedisWait::Patience patience) {
  const queue::Access::Use use(access_);
  co_await redis_wait_.reach(patience);
  initialized_ = true;
  const std::size_t pool = static_cast<std::size_t>(config_.connection_pool_size);
  engine_client_ = make_client(pool > 2 ? pool - 2 : 1);
  engine_ = std::make_shared<worker::Engine>(runtime_, engine_client_, config_, *seams_.quarantine);
  adopted_.clear();
  // Whoever changes them in this moment does so before the handlers get them, or is told.
  hooks_sealed_.emplace(hooks_);
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
  engine_reconnects_ += engine_client_->health().reconnects;
  engine_client_.reset();
  started_at_ = 0;
  running_ = false;
  hooks_sealed_.reset();
  shutting_down_ = false;
  stopped_.set();
  log::info("consuming has stopped", "leases_lost", lost);
}

void QueueCore::hurry(bool whether) {
  hurried_ = whether;
  if (whether && engine_) engine_->hurry();
}

Task<> QueueCore::run_stop(std::shared_ptr<QueueCore> self) {
  co_await self->loop_.schedule();
  self->redis_wait_.give_up();
  while (self->changing_) co_await self->settled_.wait();
  const Change change(*self);
  if (self->engine_) co_await self->end_engine();
}

Task<> QueueCore::run_cleanup(std::shared_ptr<QueueCore> self) {
  co_await self->loop_.schedule();
  self->redis_wait_.give_up();
  while (self->changing_) co_await self->settled_.wait();
  const Change change(*self);
  if (self->engine_) co_await self->end_engine();
  self->access_.forbid();
  // What they still ask ends with the connections.
  const auto servers = std::exchange(self->metrics_servers_, {});
  for (const auto& each : servers) each->close();
  const TimePoint deadline = self->closing_deadline();
  co_await self->access_.close(deadline);
  for (const auto& each : servers) co_await each->join();
  self->initialized_ = false;
}

}  // namespace mx_rmq::detail
