#include "worker/engine.hpp"

#include <algorithm>
#include <utility>

#include "broker/produce/producer.hpp"
#include "mx_rmq/errors.hpp"

namespace mx_rmq::worker {

namespace log = runtime::log;
using runtime::Duration;
using runtime::TimePoint;
using namespace std::chrono_literals;

namespace {

std::unique_ptr<runtime::Scope> make_scope(runtime::EventLoop& loop) {
  return std::make_unique<runtime::Scope>(
      loop, [&loop](std::exception_ptr error) { loop.report(std::move(error)); });
}

Policy policy_of(const HandlerOptions& options, const MQConfig& config) {
  Policy policy;
  policy.timeout = options.timeout().value_or(config.processing_timeout);
  policy.max_retries = options.max_retries().value_or(config.max_retries);
  policy.retry_delays = options.retry_delays().value_or(config.retry_delays);
  policy.max_interruptions = config.max_interruptions;
  return policy;
}

// What settling, leaving and closing may take at the end.
Duration closing_time(std::chrono::milliseconds timeout) {
  return std::clamp<Duration>(Duration(timeout) / 6, 400ms, 5s);
}

}  // namespace

Engine::Engine(std::shared_ptr<Runtime> runtime, std::shared_ptr<redis::Client> client,
               MQConfig config, Quarantine& quarantine)
    : runtime_(std::move(runtime)),
      shared_(runtime_->event_loop(), std::move(client), std::move(config), quarantine),
      scope_(make_scope(shared_.loop)),
      runner_(shared_),
      claimer_(shared_, runner_, *scope_,
               Claimer::Hooks{[this](Topic& topic, std::string consumer) {
                                upkeep_.lapsed(topic, std::move(consumer));
                              },
                              [this](Topic&) { suspects_.told(); }}),
      waker_(shared_, claimer_, *scope_),
      suspects_(shared_, runner_, *scope_),
      upkeep_(shared_, claimer_, runner_, *scope_, [this] { suspects_.told(); }) {
  shared_.work = [this] { work(); };
  shared_.want = [this](Topic& topic) { claimer_.want(topic); };
}

Engine::~Engine() = default;

void Engine::work() {
  if (work_posted_ || shared_.stopping) return;
  work_posted_ = true;
  shared_.loop.defer([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->work_posted_ = false;
    self->claimer_.pump();
    self->waker_.update();
  });
}

void Engine::add(std::string name, detail::ErasedHandler handler, const HandlerOptions& options) {
  const std::size_t id = shared_.topics.size();
  redis::Lane& lane = shared_.client->lane(id);
  auto topic = std::make_unique<Topic>(shared_.loop, lane, shared_.client->clock(),
                                       broker::TopicKeys(shared_.config.queue_prefix, name));
  Topic& added = *topic;
  added.id = id;
  added.name = std::move(name);
  added.handler = std::move(handler);
  added.policy = policy_of(options, shared_.config);
  added.max_concurrency = static_cast<std::size_t>(options.max_concurrency().value_or(0));
  Consumer::Options own;
  own.lease = shared_.config.lease;
  own.command_timeout = shared_.config.command_timeout;
  own.claim_bytes = shared_.config.claim_bytes;
  own.batch_size = shared_.config.batch_size;
  own.dead_cap = shared_.config.max_dead_letters;
  own.drop_expired = !shared_.config.enable_dead_letter || !shared_.config.dead_letter_expired;
  Consumer::Hooks hooks;
  hooks.lost = [this](std::shared_ptr<Delivery> delivery) { runner_.lost(delivery); };
  hooks.dropped = [this](std::size_t count) {
    shared_.quarantine.drop(shared_.member, count);
    suspects_.dropped();
  };
  hooks.connected = [this, &added] { claimer_.want(added); };
  hooks.progress = [this] { work(); };
  hooks.dead_letters = [this, &added](std::int64_t count) { upkeep_.dead_letters(added, count); };
  added.consumer = std::make_unique<Consumer>(shared_.loop, lane, added.broker, id,
                                              broker::random_id(lane.rng()), own, std::move(hooks));
  shared_.topics.push_back(std::move(topic));
  ++shared_.resting;
  if (started_) {
    begin(added);
    waker_.start();
    work();
  }
}

void Engine::begin(Topic& topic) {
  topic.consumer->start(*scope_);
  waker_.add(topic);
  upkeep_.add(topic);
  claimer_.want(topic);
}

void Engine::join_quarantine() {
  // Other queues' threads call these.
  const auto post = [this](void (*what)(Engine&)) {
    return [weak = weak_from_this(), runtime = runtime_, what] {
      try {
        runtime->event_loop().post([weak, what] {
          if (const auto self = weak.lock()) what(*self);
        });
      } catch (const Error&) {
        // The loop has ended, and this queue's part in it.
      }
    };
  };
  Quarantine::Hooks hooks;
  hooks.clear = post([](Engine& self) { self.runner_.release_unstarted(); });
  hooks.resume = post([](Engine& self) { self.work(); });
  hooks.granted = post([](Engine& self) { self.suspects_.granted(); });
  shared_.member = shared_.quarantine.join(std::move(hooks));
}

void Engine::start() {
  started_ = true;
  join_quarantine();
  shared_.consuming = true;
  shared_.completed.start(shared_.loop.now());
  runner_.start(shared_from_this());
  for (const auto& topic : shared_.topics) begin(*topic);
  waker_.start();
  upkeep_.start();
  work();
}

Task<> Engine::stop(std::chrono::milliseconds timeout) {
  const auto self = shared_from_this();
  const TimePoint deadline = shared_.loop.now() + Duration(timeout);
  const Duration closing = closing_time(timeout);
  shared_.consuming = false;
  upkeep_.stop();
  suspects_.stop();
  co_await waker_.stop(shared_.loop.now() + closing / 4);
  co_await claimer_.stop(shared_.loop.now() + closing / 4);
  shared_.stopping = true;
  for (const auto& topic : shared_.topics) topic->consumer->quiesce();
  runner_.release_unstarted();
  bool idle = co_await runner_.wait_idle(deadline);
  if (!idle) {
    runner_.interrupt();
    idle = co_await runner_.wait_idle(shared_.loop.now() + std::min<Duration>(closing / 4, 1s));
  }
  if (!idle) runner_.abandon();
  co_await drain_all(shared_.loop.now() + closing / 2);
  co_await leave_all(shared_.loop.now() + closing / 4);
  co_await runner_.finish();
  shared_.quarantine.leave(shared_.member);
}

Task<> Engine::drain_all(TimePoint deadline) {
  runtime::Scope scope(shared_.loop, [loop = &shared_.loop](std::exception_ptr error) {
    loop->report(std::move(error));
  });
  for (const auto& topic : shared_.topics) scope.spawn(topic->consumer->drain(deadline));
  co_await scope.join();
}

Task<> Engine::leave_all(TimePoint deadline) {
  runtime::Scope scope(shared_.loop, [loop = &shared_.loop](std::exception_ptr error) {
    loop->report(std::move(error));
  });
  for (const auto& topic : shared_.topics) {
    topic->left = true;
    const bool marker = topic->marker || topic->arming > 0;
    scope.spawn(topic->consumer->leave(marker, deadline));
  }
  co_await scope.join();
}

Task<> Engine::finish() {
  const auto self = shared_from_this();
  co_await waker_.finish();
  co_await scope_->join();
}

std::string Engine::trouble() const {
  if (!shared_.consuming) return "consuming has stopped";
  std::string why = upkeep_.trouble();
  if (why.empty()) why = runner_.trouble();
  return why;
}

std::uint64_t Engine::leases_lost() const {
  std::uint64_t lost = 0;
  for (const auto& topic : shared_.topics) lost += topic->consumer->leases_lost();
  return lost;
}

}  // namespace mx_rmq::worker
