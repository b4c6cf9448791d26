#include "redis/topology/discovery.hpp"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <optional>

#include "mx_rmq/errors.hpp"
#include "redis/connection/role.hpp"
#include "redis/topology/lane.hpp"
#include "redis/wire/classify.hpp"
#include "runtime/backoff.hpp"
#include "runtime/log.hpp"

namespace mx_rmq::redis {

using namespace std::chrono_literals;

namespace {

constexpr auto asked_again_after = 1s;  // a connection that has fallen silent
constexpr auto scouted_within = 300ms;
constexpr const char* over_text = "the connections to Redis are closed";

}  // namespace

/// The route that was asked for, once it is known at what.
class Discovery::LateRoute final : public Route {
 public:
  LateRoute(Discovery& owner, LaneRole role, std::string tag)
      : owner_(owner), role_(role), tag_(std::move(tag)), clock_(owner.loop()) {}

  void lead() {
    route_ = &owner_.found_->route(role_, tag_);
    // Its connection may be there already: whoever has something to put in order is told of it.
    const bool connected = route_->ready();
    for (auto& [id, callback] : callbacks_) {
      ids_[id] = route_->on_epoch(callback);
      if (connected) tell(id, std::move(callback));
    }
    callbacks_.clear();
    if (wanted_) route_->connect();
  }

  Task<Reply> send(Command command, TimePoint deadline, std::uint64_t only_epoch) override {
    if (route_ != nullptr) return route_->send(std::move(command), deadline, only_epoch);
    return send_late(this, std::move(command), deadline, only_epoch);
  }
  Task<Reply> eval(const lua::Script& script, Command evalsha, TimePoint deadline,
                   std::uint64_t only_epoch) override {
    if (route_ != nullptr) return route_->eval(script, std::move(evalsha), deadline, only_epoch);
    return eval_late(this, &script, std::move(evalsha), deadline, only_epoch);
  }
  Task<Reply> eval_with(const lua::Script& script, Command evalsha, std::vector<Command> behind,
                        Reply* last, TimePoint deadline) override {
    if (route_ != nullptr) {
      return route_->eval_with(script, std::move(evalsha), std::move(behind), last, deadline);
    }
    return eval_late_with(this, &script, std::move(evalsha), std::move(behind), last, deadline);
  }
  void connect() override {
    wanted_ = true;
    if (route_ != nullptr) return route_->connect();
    owner_.begin();
  }
  void reconnect(std::uint64_t epoch, std::string why) override {
    if (route_ != nullptr) route_->reconnect(epoch, std::move(why));
  }
  [[nodiscard]] std::uint64_t epoch() const noexcept override {
    return route_ == nullptr ? 0 : route_->epoch();
  }
  [[nodiscard]] bool ready() const noexcept override {
    return route_ != nullptr && route_->ready();
  }
  [[nodiscard]] std::string last_error() const override {
    return route_ == nullptr ? owner_.one_->health().last_error : route_->last_error();
  }
  std::uint64_t on_epoch(OnEpoch callback) override {
    const std::uint64_t id = ++last_id_;
    if (route_ != nullptr) {
      ids_[id] = route_->on_epoch(std::move(callback));
    } else {
      callbacks_.emplace(id, std::move(callback));
    }
    return id;
  }
  void remove_on_epoch(std::uint64_t id) noexcept override {
    callbacks_.erase(id);
    const auto found = ids_.find(id);
    if (found == ids_.end()) return;
    route_->remove_on_epoch(found->second);
    ids_.erase(found);
  }
  [[nodiscard]] ServerClock& clock() const noexcept override {
    return route_ == nullptr ? clock_ : route_->clock();
  }
  [[nodiscard]] ChannelKind channels() const noexcept override {
    return route_ == nullptr ? ChannelKind::plain : route_->channels();
  }
  [[nodiscard]] runtime::EventLoop& loop() const noexcept override { return owner_.loop(); }
  [[nodiscard]] Rng& rng() const noexcept override { return owner_.rng(); }

 private:
  void tell(std::uint64_t id, OnEpoch callback) {
    loop().defer([weak = owner_.weak_from_this(), this, id, callback = std::move(callback)] {
      const auto owner = weak.lock();
      if (owner != nullptr && ids_.contains(id)) callback(route_->epoch());
    });
  }
  static Task<> wait(LateRoute* self, TimePoint deadline, std::uint64_t only_epoch) {
    const std::shared_ptr<Discovery> owner = self->owner_.shared_from_this();
    if (only_epoch != 0) throw ConnectionError("not sent: there has been no connection yet");
    owner->begin();
    while (self->route_ == nullptr && !owner->closing_) {
      if (owner->refusal_ != nullptr) std::rethrow_exception(owner->refusal_);
      const bool came = co_await owner->known_.wait_until(deadline);
      if (came || self->route_ != nullptr) continue;
      const std::string why = owner->one_->health().last_error;
      if (why.empty()) throw TimeoutError("not sent to Redis by the deadline");
      throw ConnectionError("no connection to Redis by the deadline: " + why);
    }
    if (self->route_ == nullptr) throw ShutdownError(over_text);
  }
  static Task<Reply> send_late(LateRoute* self, Command command, TimePoint deadline,
                               std::uint64_t only_epoch) {
    co_await wait(self, deadline, only_epoch);
    Reply reply = co_await self->route_->send(std::move(command), deadline, only_epoch);
    co_return reply;
  }
  static Task<Reply> eval_late(LateRoute* self, const lua::Script* script, Command evalsha,
                               TimePoint deadline, std::uint64_t only_epoch) {
    co_await wait(self, deadline, only_epoch);
    Reply reply = co_await self->route_->eval(*script, std::move(evalsha), deadline, only_epoch);
    co_return reply;
  }

  static Task<Reply> eval_late_with(LateRoute* self, const lua::Script* script, Command evalsha,
                                    std::vector<Command> behind, Reply* last, TimePoint deadline) {
    co_await wait(self, deadline, 0);
    Reply reply = co_await self->route_->eval_with(*script, std::move(evalsha), std::move(behind),
                                                   last, deadline);
    co_return reply;
  }

  Discovery& owner_;
  const LaneRole role_;
  const std::string tag_;
  Route* route_ = nullptr;
  bool wanted_ = false;
  mutable ServerClock clock_;                   // of nobody, until it is known whose
  std::map<std::uint64_t, OnEpoch> callbacks_;  // until then
  std::map<std::uint64_t, std::uint64_t> ids_;  // at the route, by ours
  std::uint64_t last_id_ = 0;
};

/// The same for a subscription.
class Discovery::LateSubscription final : public Subscription {
 public:
  LateSubscription(const std::shared_ptr<Discovery>& owner, std::string_view tag,
                   std::string channel, Events events)
      : owner_(owner), tag_(tag), channel_(std::move(channel)), events_(std::move(events)) {
    owner->waiting_.push_back(this);
  }
  ~LateSubscription() override {
    if (const auto owner = owner_.lock()) std::erase(owner->waiting_, this);
  }
  [[nodiscard]] std::uint64_t epoch() const noexcept override {
    return there_ == nullptr ? 0 : there_->epoch();
  }
  void lead(Client& client) {
    there_ = client.subscribe(tag_, std::move(channel_), std::move(events_));
  }

 private:
  const std::weak_ptr<Discovery> owner_;
  const std::string tag_;
  std::string channel_;
  Events events_;
  std::unique_ptr<Subscription> there_;
};

Discovery::Discovery(std::shared_ptr<Client> one, Makes makes)
    : one_(std::move(one)), makes_(std::move(makes)), known_(one_->loop()), scope_(one_->loop()) {}

Discovery::~Discovery() = default;

Route& Discovery::route(LaneRole role, std::string_view tag) {
  if (found_ != nullptr) return found_->route(role, tag);
  routes_.push_back(std::make_unique<LateRoute>(*this, role, std::string(tag)));
  return *routes_.back();
}

std::unique_ptr<Subscription> Discovery::subscribe(std::string_view tag, std::string channel,
                                                   Subscription::Events events) {
  if (found_ != nullptr) return found_->subscribe(tag, std::move(channel), std::move(events));
  auto late = std::make_unique<LateSubscription>(shared_from_this(), tag, std::move(channel),
                                                 std::move(events));
  begin();
  return late;
}

ChannelKind Discovery::channels() const noexcept {
  return found_ == nullptr ? ChannelKind::sharded : found_->channels();
}

ClientHealth Discovery::health() const {
  return found_ == nullptr ? one_->health() : found_->health();
}

// --- finding out ---

void Discovery::begin() {
  if (asking_ || closing_ || found_ != nullptr || loop().stopping()) return;
  asking_ = true;
  scope_.spawn(ask(shared_from_this()));
}

void Discovery::found(std::shared_ptr<Client> what) {
  if (closing_ || found_ != nullptr) return;
  found_ = std::move(what);
  for (const auto& each : routes_) each->lead();
  const std::vector<LateSubscription*> waiting = std::exchange(waiting_, {});
  for (LateSubscription* const each : waiting) each->lead(*found_);
  known_.set();
}

// Whoever waits is told; it is asked again.
void Discovery::refused(std::exception_ptr error) {
  refusal_ = std::move(error);
  if (refusal_ == nullptr) return;
  known_.set();
  known_.reset();
}

// What CLUSTER SLOTS was answered; true if that decides.
bool Discovery::take(const CallEnd& end, const Reply& reply) {
  if (!end.answered()) return false;
  if (reply.is_array()) {
    runtime::log::info("this is a node of a Redis Cluster: the Cluster is used");
    found(makes_.cluster());
    scope_.spawn(one_->close(loop().now()));
    return true;
  }
  // Whoever may not ask gets one server; so does who asks one that knows no Clusters.
  if (reply.is_error() && passing(classify(reply.error_text()).remedy)) return false;
  found(one_);
  return true;
}

Task<> Discovery::ask(std::shared_ptr<Discovery> self) {
  Route& route = self->one_->route(LaneRole::produce, {});
  runtime::Backoff pauses(10ms, 1s);
  while (!self->closing_ && self->found_ == nullptr) {
    CallEnd end;
    Reply reply;
    try {
      Command command = Command::of("CLUSTER", "SLOTS");
      const TimePoint deadline = self->loop().now() + asked_again_after;
      reply = co_await route.send(std::move(command), deadline);
    } catch (...) {
      end = CallEnd::caught();
    }
    if (self->closing_ || end.kind() == CallEnd::Kind::shut_down) co_return;
    self->refused(end.kind() == CallEnd::Kind::refused ? end.error() : nullptr);
    if (self->take(end, reply)) co_return;
    if (!self->one_->health().unfit.empty()) co_await ask_as_scout(self);
    if (self->found_ != nullptr) co_return;
    try {
      co_await self->known_.wait_until(self->loop().now() + pauses.next(self->rng().next()));
    } catch (const ShutdownError&) {
      co_return;
    }
  }
}

Task<> Discovery::ask_as_scout(std::shared_ptr<Discovery> self) {
  const std::unique_ptr<Node> scout = self->makes_.scout();
  CallEnd end;
  Reply reply;
  try {
    Command command = Command::of("CLUSTER", "SLOTS");
    const TimePoint deadline = self->loop().now() + asked_again_after;
    reply = co_await scout->lane(0).send(std::move(command), deadline);
  } catch (...) {
    end = CallEnd::caught();
  }
  const TimePoint now = self->loop().now();
  co_await scout->close(now);
  // Only a Cluster: what is of no use as one server may become a master yet.
  if (!self->closing_ && end.answered() && reply.is_array()) self->take(end, reply);
}

Task<> Discovery::check(TimePoint deadline) { return check_found(shared_from_this(), deadline); }

Task<> Discovery::check_found(std::shared_ptr<Discovery> self, TimePoint deadline) {
  self->begin();
  CallEnd end;
  if (self->found_ == nullptr) {
    try {
      co_await self->one_->check(deadline);
    } catch (...) {
      end = CallEnd::caught();
    }
  }
  // It may be a replica, which is of no use, of a Cluster, which is.
  TimePoint until = deadline;
  if (!end.answered()) until = std::min(until, self->loop().now() + scouted_within);
  if (self->found_ == nullptr) co_await self->known_.wait_until(until);
  if (self->closing_) throw ShutdownError(over_text);
  if (self->found_ != nullptr && self->found_ != self->one_) {
    co_await self->found_->check(deadline);
    co_return;
  }
  if (!end.answered()) end.rethrow();
  if (self->found_ == nullptr) throw ConnectionError(self->one_->health().last_error);
}

Task<> Discovery::close(TimePoint deadline) { return close_all(shared_from_this(), deadline); }

Task<> Discovery::close_all(std::shared_ptr<Discovery> self, TimePoint deadline) {
  self->closing_ = true;
  self->known_.set();
  if (self->found_ != nullptr && self->found_ != self->one_) {
    self->scope_.spawn(self->found_->close(deadline));
  }
  self->scope_.spawn(self->one_->close(deadline));
  co_await self->scope_.join();
}

}  // namespace mx_rmq::redis
