#include "redis/topology/subscriber.hpp"

#include <array>
#include <charconv>
#include <chrono>
#include <exception>
#include <utility>

#include "mx_rmq/errors.hpp"
#include "redis/connection/connection.hpp"
#include "redis/connection/connection_group.hpp"
#include "redis/wire/call_end.hpp"
#include "redis/wire/classify.hpp"

namespace mx_rmq::redis {

namespace {

// Longer than the machine waits: it drops the connection, and no later answer concerns it.
constexpr std::chrono::seconds published_within{3};

std::string random_token(Rng& rng) {
  std::string text;
  for (int i = 0; i < 2; ++i) {
    std::array<char, 17> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), rng.next(), 16);
    text.append(digits.data(), end.ptr);
  }
  return text;
}

SubscriberFsm::Options machine_options(const ConnectionGroup& group, ChannelKind kind, bool hello) {
  SubscriberFsm::Options options;
  options.kind = kind;
  options.hello = hello;
  options.refused_retry = group.options.connection.refused_retry;
  options.token = random_token(*group.seams.rng);
  return options;
}

}  // namespace

class Subscriber::Handle final : public Subscription {
 public:
  Handle(const std::shared_ptr<Subscriber>& subscriber, std::uint64_t listener)
      : subscriber_(subscriber), listener_(listener) {}
  ~Handle() override {
    const std::shared_ptr<Subscriber> subscriber = subscriber_.lock();
    if (subscriber == nullptr) return;
    subscriber->listeners_.erase(listener_);
    subscriber->fsm_.remove(listener_, subscriber->actions_);
    subscriber->perform();
  }
  [[nodiscard]] std::uint64_t epoch() const noexcept override {
    const std::shared_ptr<Subscriber> subscriber = subscriber_.lock();
    return subscriber == nullptr ? 0 : subscriber->fsm_.epoch(listener_);
  }

 private:
  const std::weak_ptr<Subscriber> subscriber_;
  const std::uint64_t listener_;
};

Subscriber::Subscriber(std::shared_ptr<ConnectionGroup> group, Options options)
    : group_(std::move(group)),
      options_(std::move(options)),
      fsm_(machine_options(*group_, options_.kind, options_.published_over != nullptr)),
      connection_(std::make_shared<Connection>(group_, static_cast<PushListener&>(*this))),
      hellos_(group_->loop) {
  if (options_.published_over == nullptr) return;
  lane_hook_ = options_.published_over->on_epoch([this](std::uint64_t) {
    fsm_.on_lane(group_->loop.now(), actions_);
    perform();
  });
}

Subscriber::~Subscriber() { end(); }

void Subscriber::end() {
  if (std::exchange(closed_, true)) return;
  if (lane_hook_ != 0) options_.published_over->remove_on_epoch(lane_hook_);
  group_->loop.cancel(timer_);
  connection_->deafen();
  connection_->abort();
  events_.clear();
  fsm_.on_ended(actions_);  // nothing is up any more
  actions_.clear();
  listeners_.clear();
}

Task<> Subscriber::close() {
  end();
  return hellos_.join();
}

std::unique_ptr<Subscription> Subscriber::subscribe(const std::string& channel,
                                                    Subscription::Events events) {
  const std::uint64_t listener = fsm_.add(group_->loop.now(), channel, actions_);
  auto handle = std::make_unique<Handle>(shared_from_this(), listener);
  listeners_.emplace(listener, std::make_shared<const Subscription::Events>(std::move(events)));
  if (closed_ || group_->loop.stopping()) {
    actions_.clear();
    return handle;
  }
  connection_->start();
  // No event comes inside this call.
  if (!actions_.empty()) {
    group_->loop.defer([weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->perform();
    });
  }
  return handle;
}

// --- what the connection tells: noted, and taken from the ready list ---

void Subscriber::on_usable(std::uint64_t epoch) noexcept {
  note({.kind = Event::Kind::usable, .epoch = epoch});
}
void Subscriber::on_answer(Reply reply) noexcept {
  note({.kind = Event::Kind::answer, .reply = std::move(reply)});
}
void Subscriber::on_push(Reply reply) noexcept {
  note({.kind = Event::Kind::push, .reply = std::move(reply)});
}
void Subscriber::on_ended() noexcept { note({.kind = Event::Kind::ended}); }

void Subscriber::note(Event event) {
  events_.push_back(std::move(event));
  if (events_.size() > 1) return;
  group_->loop.defer([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->take_events();
  });
}

void Subscriber::take_events() {
  const std::vector<Event> events = std::exchange(events_, {});
  const TimePoint now = group_->loop.now();
  for (const Event& event : events) {
    switch (event.kind) {
      case Event::Kind::usable:
        epoch_ = event.epoch;
        fsm_.on_usable(now, actions_);
        break;
      case Event::Kind::answer:
        fsm_.on_answer(now, event.reply, actions_);
        break;
      case Event::Kind::push:
        fsm_.on_push(now, event.reply, actions_);
        break;
      case Event::Kind::ended:
        epoch_ = 0;
        fsm_.on_ended(actions_);
        break;
    }
    perform();
  }
}

// --- what the machine wants done ---

void Subscriber::perform() {
  // An event may subscribe and unsubscribe; what that adds is done after what came before.
  if (std::exchange(performing_, true)) return;
  while (!actions_.empty() && !closed_) {
    SubscriberActions actions = std::exchange(actions_, {});
    for (SubscriberAction& action : actions) perform_one(action);
  }
  performing_ = false;
  arm_timer();
}

void Subscriber::perform_one(SubscriberAction& action) {
  if (closed_) return;
  switch (action.kind) {
    case SubscriberAction::Kind::subscribe:
      send(true, action.channel);
      break;
    case SubscriberAction::Kind::unsubscribe:
      send(false, action.channel);
      break;
    case SubscriberAction::Kind::hello:
      say_hello(action);
      break;
    case SubscriberAction::Kind::ping:
      connection_->unsubscribe(Command::of("PING"), epoch_);
      break;
    case SubscriberAction::Kind::drop:
      connection_->drop(epoch_, action.text);
      break;
    case SubscriberAction::Kind::up:
    case SubscriberAction::Kind::down:
    case SubscriberAction::Kind::message:
      tell(action);
      break;
  }
}

void Subscriber::send(bool subscribe, const std::string& channel) {
  if (epoch_ == 0) return;
  const bool plain = fsm_.kind() == ChannelKind::plain;
  if (!subscribe) {
    connection_->unsubscribe(Command::of(plain ? "UNSUBSCRIBE" : "SUNSUBSCRIBE", channel), epoch_);
    return;
  }
  if (fsm_.kind() != options_.kind && options_.on_kind) options_.on_kind(fsm_.kind());
  connection_->subscribe(Command::of(plain ? "SUBSCRIBE" : "SSUBSCRIBE", channel), epoch_);
}

void Subscriber::tell(const SubscriberAction& action) {
  const auto found = listeners_.find(action.listener);
  if (found == listeners_.end()) return;
  const std::shared_ptr<const Subscription::Events> events = found->second;
  try {
    switch (action.kind) {
      case SubscriberAction::Kind::up:
        if (events->up) events->up(action.number);
        break;
      case SubscriberAction::Kind::down:
        if (events->down) events->down();
        break;
      default:
        if (events->message) events->message(action.text);
    }
  } catch (...) {
    group_->loop.report(std::current_exception());
  }
}

void Subscriber::say_hello(SubscriberAction& action) {
  Route& lane = *options_.published_over;
  if (!lane.ready()) {
    lane.connect();
    fsm_.on_hello_end(group_->loop.now(), action.number, HelloEnd::not_now, {}, actions_);
    return;
  }
  if (options_.beside_hello) options_.beside_hello();
  const bool plain = fsm_.kind() == ChannelKind::plain;
  Command command =
      Command::of(plain ? "PUBLISH" : "SPUBLISH", action.channel, std::string_view(action.text));
  hellos_.spawn(publish(shared_from_this(), std::move(command), action.number));
}

Task<> Subscriber::publish(std::shared_ptr<Subscriber> self, Command command,
                           std::uint64_t number) {
  Route& lane = *self->options_.published_over;
  Reply reply;
  CallEnd end;
  try {
    const TimePoint deadline = self->group_->loop.now() + published_within;
    reply = co_await lane.send(std::move(command), deadline, lane.epoch());
  } catch (...) {
    end = CallEnd::caught();
  }
  if (self->closed_) co_return;
  std::string error_text;
  HelloEnd how = HelloEnd::answered;
  if (end.answered() && reply.is_error()) {
    error_text = reply.error_text();
    const Remedy remedy = classify(error_text).remedy;
    const bool for_good = remedy == Remedy::fatal || remedy == Remedy::refuse;
    how = for_good ? HelloEnd::refused : HelloEnd::not_now;
  } else if (!end.answered() && !end.maybe_executed()) {
    how = HelloEnd::not_now;
  }
  self->fsm_.on_hello_end(self->group_->loop.now(), number, how, error_text, self->actions_);
  self->perform();
}

void Subscriber::arm_timer() {
  const TimePoint wake = fsm_.next_wake();
  if (closed_ || group_->loop.stopping() || wake == armed_for_) return;
  if (timer_) group_->loop.cancel(timer_);
  timer_ = {};
  armed_for_ = wake;
  if (wake == TimePoint::max()) return;
  timer_ = group_->loop.call_at(wake, [this] {
    timer_ = {};
    armed_for_ = TimePoint::max();
    fsm_.on_timer(group_->loop.now(), actions_);
    perform();
  });
}

}  // namespace mx_rmq::redis
