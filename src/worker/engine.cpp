#include "worker/engine.hpp"

#include <algorithm>
#include <utility>

#include "api/checks.hpp"
#include "mx_rmq/errors.hpp"

namespace mx_rmq::worker {

using runtime::Duration;
using runtime::TimePoint;
using namespace std::chrono_literals;

namespace {

Policy policy_of(const HandlerOptions& options, const MQConfig& config) {
  Policy policy;
  policy.timeout = options.timeout().value_or(config.processing_timeout);
  policy.max_retries = options.max_retries().value_or(config.max_retries);
  policy.retry_delays = options.retry_delays().value_or(config.retry_delays);
  policy.retry_policy = api::retry_policy_of(options, config);
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
      client_(std::move(client)),
      config_(std::move(config)),
      loop_(runtime_->event_loop()),
      member_(quarantine),
      look_again_(loop_,
                  [this] {
                    claimer_.pump();
                    suspects_.look();
                  }),
      scope_(loop_),
      partitions_(
          loop_, config_, scope_,
          [this](const Topic& topic, int partition) { add_source(topic, partition); },
          [this](const Topic& topic, std::int64_t version, std::int64_t paused_by) {
            follow(topic, version, paused_by);
          }),
      runner_(loop_, config_, look_again_, claimer_),
      questions_(Questions::Others{partitions_, runner_}, scope_),
      suspects_(loop_, client_->rng(), config_, member_, runner_, scope_),
      sweeper_(loop_, client_->rng(), config_, Sweeper::Others{suspects_, claimer_, partitions_},
               scope_),
      claimer_(loop_, config_, member_, look_again_, scope_,
               Claimer::Others{runner_, suspects_, sweeper_, wake_ups_, partitions_}),
      wake_ups_(*client_, claimer_, questions_, scope_),
      monitor_(loop_, config_, sources_, claimer_, runner_, *client_) {}

Engine::~Engine() = default;

void Engine::add(std::string name, detail::ErasedHandler handler, const HandlerOptions& options) {
  auto topic = std::make_unique<Topic>();
  topic->id = topics_.size();
  topic->name = std::move(name);
  topic->handler = std::move(handler);
  topic->policy = policy_of(options, config_);
  if (options.executor()) topic->executor = *options.executor();
  topic->max_concurrency = static_cast<std::size_t>(options.max_concurrency().value_or(0));
  topics_.push_back(std::move(topic));
  if (started_) begin(*topics_.back());
  add_source(*topics_.back(), 0);
}

void Engine::add_source(const Topic& topic, int partition) {
  const broker::TopicKeys keys(config_.queue_prefix, topic.name, partition);
  sources_.push_back(std::make_unique<Source>(
      sources_.size(), topic, partition, keys, *client_, config_, member_, look_again_,
      [this](const std::shared_ptr<Delivery>& delivery) { runner_.lost(delivery); }));
  if (started_) begin(*sources_.back());
}

// What was claimed before a pause does not start; then those who ask may be told so.
void Engine::follow(const Topic& topic, std::int64_t version, std::int64_t paused_by) {
  runner_.pause(topic, paused_by);
  questions_.follows(topic, version);
}

void Engine::begin(const Topic& topic) {
  partitions_.add(topic);
  questions_.add(topic);
  runner_.add(topic);
  claimer_.add(topic);
}

void Engine::begin(Source& source) {
  partitions_.add(source);
  source.consumer.start(scope_);
  runner_.add(source);
  suspects_.add(source);
  sweeper_.add(source);
  claimer_.add(source);
  wake_ups_.add(source);
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
  hooks.resume = post([](Engine& self) { self.look_again_.soon(); });
  hooks.granted = post([](Engine& self) { self.suspects_.granted(); });
  member_.join(std::move(hooks));
}

void Engine::start() {
  started_ = true;
  join_quarantine();
  claimer_.start();
  runner_.start(shared_from_this());
  for (const auto& topic : topics_) begin(*topic);
  for (const auto& source : sources_) begin(*source);
  monitor_.start(scope_);
}

Task<> Engine::stop(std::chrono::milliseconds timeout) {
  const auto self = shared_from_this();
  const TimePoint deadline = loop_.now() + Duration(timeout);
  const Duration closing = closing_time(timeout);
  partitions_.stop();
  claimer_.close();
  sweeper_.stop();
  monitor_.stop();
  suspects_.stop();
  co_await wake_ups_.unlist(loop_.now() + closing / 4);
  co_await claimer_.wait_idle(loop_.now() + closing / 4);
  look_again_.end();
  for (const auto& source : sources_) source->consumer.quiesce();
  runner_.close();
  bool idle = co_await runner_.wait_idle(deadline);
  if (!idle) {
    runner_.interrupt();
    idle = co_await runner_.wait_idle(loop_.now() + std::min<Duration>(closing / 4, 1s));
  }
  if (!idle) runner_.abandon();
  co_await drain_all(loop_.now() + closing / 2);
  co_await leave_all(loop_.now() + closing / 4);
  wake_ups_.close();
  co_await runner_.finish();
  member_.leave();
}

Task<> Engine::drain_all(TimePoint deadline) {
  runtime::Scope scope(loop_);
  for (const auto& source : sources_) scope.spawn(source->consumer.drain(deadline));
  co_await scope.join();
}

Task<> Engine::leave_all(TimePoint deadline) {
  runtime::Scope scope(loop_);
  for (const auto& source : sources_) scope.spawn(source->consumer.leave(deadline));
  co_await scope.join();
}

Task<> Engine::finish() {
  const auto self = shared_from_this();
  co_await scope_.join();
}

std::uint64_t Engine::leases_lost() const {
  std::uint64_t lost = 0;
  for (const auto& source : sources_) lost += source->consumer.leases_lost();
  return lost;
}

}  // namespace mx_rmq::worker
