#include "queue/core.hpp"

#include <algorithm>
#include <utility>

#include "api/checks.hpp"
#include "mx_rmq/errors.hpp"
#include "mx_rmq/runtime.hpp"
#include "queue/client_options.hpp"
#include "redis/wire/call_end.hpp"
#include "runtime/blocking_pool.hpp"
#include "runtime/log.hpp"

namespace mx_rmq::detail {

namespace log = runtime::log;
using runtime::Duration;
using runtime::TimePoint;
using namespace std::chrono_literals;

namespace {

// Lane 0 produces, lane 1 looks and moves; the consuming side has the others to itself.
constexpr std::size_t kFacadeLanes = 2;
constexpr auto kAskAgain = 20ms;
// A topic in use is put into the set of topics again after so long: somebody else may have forgotten it.
constexpr Duration kNoteAgain = 5min;

std::size_t facade_lanes(const MQConfig& config) {
  return config.connection_pool_size >= 3 ? kFacadeLanes : 1;
}

}  // namespace

QueueCore::QueueCore(MQConfig config, std::shared_ptr<Runtime> runtime, queue::Seams seams)
    : config_(std::move(config)),
      runtime_(std::move(runtime)),
      seams_(std::move(seams)),
      loop_(runtime_->event_loop()),
      unused_(loop_),
      settled_(loop_),
      stopped_(loop_) {
  unused_.set();
  settled_.set();
  stopped_.set();
  runtime_->blocking_pool().ensure_threads(static_cast<std::size_t>(config_.blocking_threads));
}

QueueCore::~QueueCore() = default;

// --- handlers ---

void QueueCore::add_handler(std::string topic, ErasedHandler handler, HandlerOptions options) {
  api::validate_topic(topic);
  api::validate_handler_options(options, config_);
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
    engine_->add(topic, std::move(handler.handler), handler.options);
    if (closed_) continue;
    const queue::TopicPorts::Use used = port(topic);
    note(topic, *used);
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

// --- ports ---

QueueCore::Use::Use(std::shared_ptr<QueueCore> core) : core_(std::move(core)) {
  core_->open();
  ++core_->uses_;
  core_->unused_.reset();
}

QueueCore::Use::~Use() {
  if (--core_->uses_ == 0) core_->unused_.set();
}

std::shared_ptr<redis::Client> QueueCore::make_client(std::size_t lanes) const {
  redis::ClientOptions options = queue::client_options(config_, lanes);
  options.watch = watch_;
  redis::Seams seams = seams_.redis(loop_, options.connection);
  return std::make_shared<redis::Client>(loop_, std::move(options), std::move(seams));
}

void QueueCore::open() {
  if (closed_) throw ShutdownError("the queue was cleaned up; call initialize() or a start first");
  if (client_) return;
  scope_ = std::make_unique<runtime::Scope>(loop_);
  client_ = make_client(facade_lanes(config_));
  ports_ =
      std::make_unique<queue::TopicPorts>(*client_, *scope_, config_, queue::TopicPorts::Limits());
  topic_set_ = std::make_unique<broker::TopicSet>(
      broker::ScriptCaller(loop_, client_->lane(1), client_->clock()), config_.queue_prefix);
}

queue::TopicPorts::Use QueueCore::port(const std::string& topic) {
  open();
  return ports_->use(topic);
}

void QueueCore::note(const std::string& topic, queue::TopicPort& port) {
  const TimePoint now = loop_.now();
  if (port.noted && now < *port.noted + kNoteAgain) return;
  port.noted = now;
  scope_->spawn(note_topic(topic));
}

Task<> QueueCore::note_topic(std::string topic) {
  redis::CallEnd end;
  try {
    co_await topic_set_->note(topic, loop_.now() + Duration(config_.command_timeout));
  } catch (const Error&) {
    end = redis::CallEnd::caught();
  }
  if (end.answered()) co_return;
  // Only tools read the set: the next message tries again.
  log::debug("topic not noted", "topic", topic, "error", end.what());
  const queue::TopicPorts::Use used = ports_->use(topic);
  used->noted.reset();
}

Task<> QueueCore::ping(TimePoint deadline, Unfit what) {
  open();
  for (;;) {
    const TimePoint until = std::min(deadline, loop_.now() + Duration(config_.command_timeout));
    redis::CallEnd end;
    try {
      co_await client_->check(until);
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
    if (!again || loop_.now() + kAskAgain >= deadline) end.rethrow();
    co_await sleep_for(kAskAgain);
  }
}

std::string QueueCore::unfit() const {
  std::string text;
  if (client_) text = client_->health().unfit;
  if (text.empty() && engine_client_) text = engine_client_->health().unfit;
  return text;
}

std::int64_t QueueCore::reconnects() const {
  std::uint64_t sum = earlier_reconnects_;
  if (client_) sum += client_->health().reconnects;
  if (engine_client_) sum += engine_client_->health().reconnects;
  return static_cast<std::int64_t>(sum);
}

}  // namespace mx_rmq::detail
