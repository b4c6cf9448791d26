#include "mx_rmq/queue.hpp"

#include <chrono>
#include <cstdint>
#include <exception>
#include <stdexcept>
#include <utility>

#include "api/checks.hpp"
#include "api/message_headers.hpp"
#include "api/payload.hpp"
#include "api/uuid7.hpp"
#include "broker/data/partitions.hpp"
#include "mx_rmq/async.hpp"
#include "mx_rmq/errors.hpp"
#include "mx_rmq/sync_wait.hpp"
#include "queue/core.hpp"
#include "queue/foreground.hpp"
#include "queue/health.hpp"
#include "queue/metrics_server.hpp"
#include "queue/produce_calls.hpp"
#include "queue/topic_calls.hpp"
#include "queue/traces.hpp"
#include "runtime/event_loop.hpp"
#include "runtime/log.hpp"

namespace mx_rmq {
namespace {

// Checked and encoded on the caller's thread: the loop only moves the bytes.
broker::OutgoingEnvelope make_envelope(const MQConfig& config, const std::string& topic,
                                       const nlohmann::json& payload,
                                       const ProduceOptions& options) {
  api::validate_topic(topic);
  api::validate_produce_options(options);
  broker::OutgoingEnvelope envelope;
  envelope.priority = options.priority().value_or(MessagePriority::normal);
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
  if (!options.headers().empty()) envelope.headers = api::encode_headers(options.headers());
  envelope.keyed = options.key().has_value();
  if (envelope.keyed || envelope.chosen) {
    envelope.route = broker::route_hash(envelope.keyed ? *options.key() : envelope.id);
  }
  envelope.payload = api::encode_payload(payload, config.max_payload_bytes);
  return envelope;
}

std::shared_ptr<detail::QueueCore> make_core(MQConfig config, std::shared_ptr<Runtime> runtime) {
  if (!runtime) throw std::invalid_argument("runtime: it is null");
  config.validate();
  return std::make_shared<detail::QueueCore>(std::move(config), std::move(runtime));
}

Task<std::vector<std::string>> start_batch(const std::shared_ptr<detail::QueueCore>& core,
                                           std::vector<OutgoingMessage> messages) {
  std::vector<std::string> topics;
  std::vector<broker::OutgoingEnvelope> envelopes;
  topics.reserve(messages.size());
  envelopes.reserve(messages.size());
  for (auto& message : messages) {
    envelopes.push_back(
        make_envelope(core->config(), message.topic, message.payload, message.options));
    topics.push_back(std::move(message.topic));
  }
  return queue::produce_batch(core, std::move(topics), std::move(envelopes));
}

void call_middleware(const queue::Hooks& hooks, OutgoingMessage& message) {
  for (const ProduceMiddleware& each : hooks.on_produce) each(message);
}

Task<std::string> end_with(Task<std::string> call, queue::TracedSend span) {
  try {
    std::string id = co_await std::move(call);
    span.sent_as(id);
    co_return id;
  } catch (...) {
    span.fail();
    throw;
  }
}

Task<std::vector<std::string>> end_with(Task<std::vector<std::string>> call,
                                        std::vector<queue::TracedSend> spans) {
  try {
    std::vector<std::string> ids = co_await std::move(call);
    for (std::size_t i = 0; i < ids.size(); ++i) spans[i].sent_as(ids[i]);
    co_return ids;
  } catch (...) {
    for (queue::TracedSend& span : spans) span.fail();
    throw;
  }
}

Task<std::string> produce_hooked(const std::shared_ptr<detail::QueueCore>& core,
                                 OutgoingMessage message) {
  const auto hooks = core->hooks().get();
  call_middleware(*hooks, message);
  queue::TracedSend span;
  if (hooks->tracer != nullptr) span = queue::TracedSend(*hooks->tracer, message);
  try {
    auto envelope = make_envelope(core->config(), message.topic, message.payload, message.options);
    auto call = queue::produce(core, std::move(message.topic), std::move(envelope));
    if (hooks->tracer == nullptr) return call;
    return end_with(std::move(call), std::move(span));
  } catch (...) {
    span.fail();  // it was refused
    throw;
  }
}

Task<std::vector<std::string>> produce_hooked(const std::shared_ptr<detail::QueueCore>& core,
                                              std::vector<OutgoingMessage> messages) {
  const auto hooks = core->hooks().get();
  for (OutgoingMessage& message : messages) call_middleware(*hooks, message);
  if (hooks->tracer == nullptr) return start_batch(core, std::move(messages));
  std::vector<queue::TracedSend> spans;
  spans.reserve(messages.size());
  for (OutgoingMessage& message : messages) spans.emplace_back(*hooks->tracer, message);
  try {
    auto call = start_batch(core, std::move(messages));
    return end_with(std::move(call), std::move(spans));
  } catch (...) {
    for (queue::TracedSend& span : spans) span.fail();
    throw;
  }
}

}  // namespace

RedisMessageQueue::RedisMessageQueue() : RedisMessageQueue(MQConfig()) {}

RedisMessageQueue::RedisMessageQueue(MQConfig config, std::shared_ptr<Runtime> runtime)
    : core_(make_core(std::move(config), std::move(runtime))) {}

RedisMessageQueue::~RedisMessageQueue() {
  try {
    if (runtime::EventLoop::current() != nullptr) {  // another Runtime's must not be held up either
      spawn(core_->cleanup());
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
  if (core_->hooks().concern_produce()) {
    OutgoingMessage message(std::move(topic), std::move(payload), std::move(options));
    return produce_hooked(core_, std::move(message));
  }
  auto envelope = make_envelope(core_->config(), topic, payload, options);
  return queue::produce(core_, std::move(topic), std::move(envelope));
}

Task<std::vector<std::string>> RedisMessageQueue::produce_batch(
    std::vector<OutgoingMessage> messages) {
  if (core_->hooks().concern_produce()) return produce_hooked(core_, std::move(messages));
  return start_batch(core_, std::move(messages));
}

void RedisMessageQueue::use(Middleware middleware) {
  if (!middleware) throw std::invalid_argument("middleware: it is null");
  core_->hooks().change_before_start(
      "use", [&](queue::Hooks& hooks) { hooks.around.push_back(std::move(middleware)); });
}

void RedisMessageQueue::use_produce(ProduceMiddleware middleware) {
  if (!middleware) throw std::invalid_argument("middleware: it is null");
  core_->hooks().change(
      [&](queue::Hooks& hooks) { hooks.on_produce.push_back(std::move(middleware)); });
}

void RedisMessageQueue::set_tracer(std::shared_ptr<Tracer> tracer, ProcessSpans spans) {
  core_->hooks().change_before_start("set_tracer", [&](queue::Hooks& hooks) {
    hooks.tracer = std::move(tracer);
    hooks.spans = spans;
  });
}

Task<bool> RedisMessageQueue::cancel(std::string topic, std::string id) {
  api::validate_topic(topic);
  api::validate_message_id(id);
  return queue::cancel(core_, std::move(topic), std::move(id));
}

Task<bool> RedisMessageQueue::forget(std::string topic) {
  api::validate_topic(topic);
  return queue::forget(core_, std::move(topic));
}

Task<> RedisMessageQueue::configure(std::string topic, TopicSettings settings) {
  api::validate_topic(topic);
  api::validate_topic_settings(settings);
  return queue::configure(core_, std::move(topic), std::move(settings));
}

Task<TopicSettings> RedisMessageQueue::settings(std::string topic) {
  api::validate_topic(topic);
  return queue::topic_settings(core_, std::move(topic));
}

void RedisMessageQueue::add_handler(std::string topic, detail::ErasedHandler handler,
                                    HandlerOptions options) {
  core_->add_handler(std::move(topic), std::move(handler), std::move(options));
}

Task<> RedisMessageQueue::initialize() { return core_->initialize(); }
Task<> RedisMessageQueue::start() { return queue::run_in_foreground(core_, {}); }
Task<> RedisMessageQueue::start_background() { return core_->start_background(); }
Task<> RedisMessageQueue::stop() { return core_->stop(); }
Task<> RedisMessageQueue::cleanup() { return core_->cleanup(); }

void RedisMessageQueue::run(std::optional<std::chrono::milliseconds> duration) {
  sync_wait(queue::run_in_foreground(core_, duration));
}

Task<HealthReport> RedisMessageQueue::health_check() { return queue::check_health(core_); }
QueueStatus RedisMessageQueue::status() const { return core_->status(); }
bool RedisMessageQueue::is_running() const { return core_->running(); }

DeadLetterQueue RedisMessageQueue::dead_letters() { return DeadLetterQueue(core_); }

MetricsCollector RedisMessageQueue::metrics() { return MetricsCollector(core_); }

Task<std::uint16_t> RedisMessageQueue::serve_metrics(MetricsServerOptions options) {
  return queue::serve_metrics(core_, std::move(options));
}

Task<std::uint16_t> RedisMessageQueue::serve_metrics(std::uint16_t port) {
  return queue::serve_metrics(core_, MetricsServerOptions().port(port));
}

Admin RedisMessageQueue::admin() { return Admin(core_); }

}  // namespace mx_rmq
