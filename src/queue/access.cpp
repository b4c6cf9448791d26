#include "queue/access.hpp"

#include <algorithm>
#include <cassert>
#include <exception>
#include <utility>

#include "mx_rmq/errors.hpp"
#include "redis/wire/call_end.hpp"
#include "runtime/log.hpp"

namespace mx_rmq::queue {

namespace {

// One to produce and one to manage; the consuming side has the others to itself.
constexpr std::size_t most_access_lanes = 2;
// A topic in use is put into the set of topics again after so long: somebody else may have
// forgotten it.
constexpr runtime::Duration note_again = std::chrono::minutes(5);
constexpr runtime::Duration noting_patience = std::chrono::seconds(1);  // of an end

std::size_t access_lanes(const MQConfig& config) {
  // WAIT holds up its connection: those who wait for replicas have their own.
  if (config.wait_replicas > 0) return redis::first_durable + redis::durable_lanes;
  return config.connection_pool_size >= 3 ? most_access_lanes : 1;
}

}  // namespace

Access::Access(runtime::EventLoop& loop, const MQConfig& config, MakeClient make_client)
    : loop_(loop),
      config_(config),
      make_client_(std::move(make_client)),
      unused_(loop),
      all_noted_(loop) {
  unused_.set();
  all_noted_.set();
}

Access::Use::Use(Access& access) : access_(access) {
  access_.open();
  ++access_.uses_;
  access_.unused_.reset();
}

Access::Use::~Use() {
  assert(access_.uses_ > 0 && "a use ends once");
  if (--access_.uses_ == 0) access_.unused_.set();
}

Access::Pending::Pending(Access& access, std::size_t messages)
    : access_(access), messages_(messages) {
  const std::size_t most = access_.config_.max_pending_produces;
  if (messages > most || access_.pending_ > most - messages)
    throw Overloaded("produce: " + std::to_string(access_.pending_) +
                     " messages are under way, and with " + std::to_string(messages) +
                     " more there would be more than the " + std::to_string(most) +
                     " of max_pending_produces");
  access_.pending_ += messages;
}

Access::Pending::~Pending() {
  assert(access_.pending_ >= messages_ && "what is taken away was added before");
  access_.pending_ -= messages_;
}

void Access::open() {
  if (forbidden_)
    throw ShutdownError("the queue was cleaned up; call initialize() or a start first");
  if (client_) return;
  scope_ = std::make_unique<runtime::Scope>(loop_);
  client_ = make_client_(access_lanes(config_));
  ports_ = std::make_unique<TopicPorts>(*client_, *scope_, config_, TopicPorts::Limits());
  redis::Route& to_the_set =
      client_->route(redis::LaneRole::manage, broker::topics_key(config_.queue_prefix));
  topic_set_ =
      std::make_unique<broker::TopicSet>(broker::ScriptCaller(to_the_set), config_.queue_prefix);
}

Task<> Access::close(runtime::TimePoint deadline) {
  assert(forbidden_ && "nobody may open what is being closed");
  if (!client_) co_return;
  co_await ports_->close(deadline);
  // A process that ends right after its first message is to leave its topic to be seen.
  const runtime::TimePoint patience = std::min(deadline, loop_.now() + noting_patience);
  const bool noted = co_await all_noted_.wait_until(patience);
  if (!noted) runtime::log::debug("not all topics were noted", "pending", notes_);
  co_await client_->close(deadline);
  if (!unused_.is_set()) co_await unused_.wait();
  co_await scope_->join();
  ports_.reset();
  topic_set_.reset();
  earlier_reconnects_ += client_->health().reconnects;
  client_.reset();
  scope_.reset();
}

TopicPorts::Use Access::port(const std::string& topic) {
  open();
  return ports_->use(topic);
}

TopicPorts& Access::ports() noexcept {
  assert(ports_ && "only who has a use gets at the ports");
  return *ports_;
}

broker::TopicSet& Access::topic_set() noexcept {
  assert(topic_set_ && "only who has a use gets at the set of topics");
  return *topic_set_;
}

runtime::Scope& Access::scope() noexcept {
  assert(scope_ && "only what is open has a scope");
  return *scope_;
}

void Access::note(const std::string& topic, TopicPort& port) {
  const runtime::TimePoint now = loop_.now();
  if (port.noted && now < *port.noted + note_again) return;
  port.noted = now;
  scope_->spawn(note_topic(topic));
}

Access::Noting::Noting(Access& access) : access_(access) {
  ++access_.notes_;
  access_.all_noted_.reset();
}

Access::Noting::~Noting() {
  assert(access_.notes_ > 0 && "a note ends once");
  if (--access_.notes_ == 0) access_.all_noted_.set();
}

Task<> Access::note_topic(std::string topic) {
  const Noting noting(*this);
  redis::CallEnd end;
  try {
    co_await topic_set_->note(topic, loop_.now() + runtime::Duration(config_.command_timeout));
  } catch (const Error&) {
    end = redis::CallEnd::caught();
  }
  if (end.answered()) co_return;
  // Only tools read the set: the next message tries again.
  runtime::log::debug("topic not noted", "topic", topic, "error", end.what());
  const TopicPorts::Use used = ports_->use(topic);
  used->noted.reset();
}

std::uint64_t Access::reconnects() const {
  return earlier_reconnects_ + (client_ ? client_->health().reconnects : 0);
}

}  // namespace mx_rmq::queue
