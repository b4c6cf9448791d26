#include "mx_rmq/queue.hpp"

#include <chrono>
#include <cstdint>
#include <exception>
#include <stdexcept>
#include <utility>

#include "api/checks.hpp"
#include "api/payload.hpp"
#include "api/uuid7.hpp"
#include "mx_rmq/errors.hpp"
#include "mx_rmq/sync_wait.hpp"
#include "queue/core.hpp"
#include "queue/dead_letter_ops.hpp"
#include "queue/health.hpp"
#include "queue/metrics_ops.hpp"
#include "runtime/event_loop.hpp"
#include "runtime/log.hpp"

namespace mx_rmq {
namespace {

broker::Level level_of(MessagePriority priority) {
  switch (priority) {
    case MessagePriority::high:
      return broker::Level::high;
    case MessagePriority::low:
      return broker::Level::low;
    case MessagePriority::normal:
      break;
  }
  return broker::Level::normal;
}

// Checked and encoded on the caller's thread: the loop only moves the bytes.
broker::OutgoingEnvelope make_envelope(const MQConfig& config, const std::string& topic,
                                       const nlohmann::json& payload,
                                       const ProduceOptions& options) {
  api::validate_topic(topic);
  api::validate_produce_options(options);
  broker::OutgoingEnvelope envelope;
  envelope.level = level_of(options.priority().value_or(MessagePriority::normal));
  if (options.delay()) envelope.delay = *options.delay();
  if (options.at()) {
    const auto since = std::chrono::ceil<std::chrono::milliseconds>(
        options.at()->time_since_epoch());  // not early
    envelope.at = since.count();
  }
  envelope.ttl = options.ttl().value_or(config.message_ttl);
  envelope.chosen = options.message_id().has_value();
  envelope.refuse_duplicate = options.throws_if_duplicate();
  envelope.id = envelope.chosen ? *options.message_id() : api::make_uuid7();
  envelope.payload = api::encode_payload(payload, config.max_payload_bytes);
  return envelope;
}

std::shared_ptr<detail::QueueCore> make_core(MQConfig config, std::shared_ptr<Runtime> runtime) {
  if (!runtime) throw std::invalid_argument("runtime: it is null");
  config.validate();
  return std::make_shared<detail::QueueCore>(std::move(config), std::move(runtime));
}

}  // namespace

RedisMessageQueue::RedisMessageQueue() : RedisMessageQueue(MQConfig()) {}

RedisMessageQueue::RedisMessageQueue(MQConfig config, std::shared_ptr<Runtime> runtime)
    : core_(make_core(std::move(config), std::move(runtime))) {}

RedisMessageQueue::~RedisMessageQueue() {
  try {
    if (runtime::EventLoop::current() != nullptr) {  // another Runtime's must not be held up either
      detail::QueueCore::cleanup_detached(core_);
    } else {
      sync_wait(core_->cleanup());
    }
  } catch (const std::exception& e) {
    // The runtime has ended, and with it everything that was under way.
    runtime::log::debug("a queue was destroyed without its runtime", "why", e.what());
  }
}

Task<std::string> RedisMessageQueue::produce(std::string topic, nlohmann::json payload,
                                             ProduceOptions options) {
  auto envelope = make_envelope(core_->config(), topic, payload, options);
  return core_->produce(std::move(topic), std::move(envelope));
}

Task<std::vector<std::string>> RedisMessageQueue::produce_batch(
    std::vector<OutgoingMessage> messages) {
  std::vector<std::string> topics;
  std::vector<broker::OutgoingEnvelope> envelopes;
  topics.reserve(messages.size());
  envelopes.reserve(messages.size());
  for (auto& message : messages) {
    envelopes.push_back(
        make_envelope(core_->config(), message.topic, message.payload, message.options));
    topics.push_back(std::move(message.topic));
  }
  return core_->produce_batch(std::move(topics), std::move(envelopes));
}

Task<bool> RedisMessageQueue::cancel(std::string topic, std::string id) {
  api::validate_topic(topic);
  api::validate_message_id(id);
  return core_->cancel(std::move(topic), std::move(id));
}

Task<bool> RedisMessageQueue::forget(std::string topic) {
  api::validate_topic(topic);
  return core_->forget(std::move(topic));
}

void RedisMessageQueue::add_handler(std::string topic, detail::ErasedHandler handler,
                                    HandlerOptions options) {
  core_->add_handler(std::move(topic), std::move(handler), std::move(options));
}

Task<> RedisMessageQueue::initialize() { return core_->initialize(); }
Task<> RedisMessageQueue::start() { return core_->start({}); }
Task<> RedisMessageQueue::start_background() { return core_->start_background(); }
Task<> RedisMessageQueue::stop() { return core_->stop(); }
Task<> RedisMessageQueue::cleanup() { return core_->cleanup(); }

void RedisMessageQueue::run(std::optional<std::chrono::milliseconds> duration) {
  sync_wait(core_->start(duration));
}

Task<HealthReport> RedisMessageQueue::health_check() { return queue::check_health(core_); }
QueueStatus RedisMessageQueue::status() const { return core_->status(); }
bool RedisMessageQueue::is_running() const { return core_->running(); }

DeadLetterQueue RedisMessageQueue::dead_letters() {
  return DeadLetterQueue(queue::make_dead_letter_ops(core_));
}

MetricsCollector RedisMessageQueue::metrics() {
  return MetricsCollector(queue::make_metrics_ops(core_));
}

}  // namespace mx_rmq
