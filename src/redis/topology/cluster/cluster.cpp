#include "redis/topology/cluster/cluster.hpp"

#include <algorithm>
#include <chrono>
#include <set>

#include "mx_rmq/errors.hpp"
#include "redis/connection/connection.hpp"
#include "redis/connection/connection_group.hpp"
#include "redis/topology/lane.hpp"

namespace mx_rmq::redis {

namespace {

// Each kind of work has its own, as on one server.
constexpr std::size_t fewest_lanes = first_durable + durable_lanes;
// A node that stands still ends no connection, and nobody tells of its successor: after so long
// without an answer it is looked whether there is one.
constexpr std::chrono::milliseconds silent_after{300};
constexpr const char* shut_down_text = "the connections to Redis are closed";

}  // namespace

/// The way to one slot for one kind of work: its route, and what happens at a redirection.
class Cluster::Way {
 public:
  Way(Cluster& cluster, int the_slot, std::size_t the_lane)
      : slot(the_slot),
        lane(the_lane),
        route(cluster.loop_, *cluster.seams_.rng,
              [this, &cluster](const Connection& by, std::string_view error_text) {
                return redirected(cluster, by, error_text);
              }) {}

  const int slot;
  const std::size_t lane;  // of each node that it leads to
  MovingRoute route;

 private:
  Bearings::Turn redirected(Cluster& cluster, const Connection& by, std::string_view error_text) {
    const auto redirect = read_redirect(error_text, by.group().options.told_as);
    if (!redirect || cluster.closing_) return {};
    if (!redirect->to) {
      cluster.view_->want();
      return {};
    }
    if (!redirect->ask) {
      cluster.view_->moved(*redirect);
      return {.known = true};
    }
    return {.known = true, .ask = cluster.node(*redirect->to).lane(lane).connection()};
  }
};

/// A channel in a slot that goes from node to node.
class Cluster::MovingSubscription final : public Subscription {
 public:
  MovingSubscription(const std::shared_ptr<Cluster>& cluster, int the_slot, std::string channel,
                     Events events)
      : slot(the_slot),
        cluster_(cluster),
        channel_(std::move(channel)),
        events_(std::make_shared<const Events>(std::move(events))) {
    cluster->subscriptions_.push_back(this);
  }
  ~MovingSubscription() override {
    if (const auto cluster = cluster_.lock()) std::erase(cluster->subscriptions_, this);
  }
  [[nodiscard]] std::uint64_t epoch() const noexcept override { return epoch_; }

  /// Listens there from now on; nullptr: nowhere. `told`: the epoch that ends is told.
  void lead_to(Node* node) {
    if (node == node_) return;
    node_ = node;
    at_node_.reset();
    const std::shared_ptr<const Events> events = events_;
    const std::weak_ptr<Cluster> weak = cluster_;
    if (node != nullptr) at_node_ = node->subscribe(channel_, events_here());
    // Last: it may end this.
    if (std::exchange(epoch_, 0) != 0 && events->down) events->down();
  }

  const int slot;

 private:
  Events events_here() {
    Events events;
    events.up = [this](std::uint64_t) {
      const auto cluster = cluster_.lock();
      if (cluster == nullptr) return;
      epoch_ = ++cluster->last_epoch_;
      const std::shared_ptr<const Events> whom = events_;
      if (whom->up) whom->up(epoch_);
    };
    events.down = [this] {
      if (std::exchange(epoch_, 0) == 0) return;
      const std::shared_ptr<const Events> whom = events_;
      if (whom->down) whom->down();
    };
    events.message = [whom = events_](std::string_view payload) {
      if (whom->message) whom->message(payload);
    };
    return events;
  }

  const std::weak_ptr<Cluster> cluster_;
  const std::string channel_;
  const std::shared_ptr<const Events> events_;
  Node* node_ = nullptr;
  std::unique_ptr<Subscription> at_node_;
  std::uint64_t epoch_ = 0;
};

Cluster::Cluster(runtime::EventLoop& loop, ClientOptions options, Seams seams,
                 std::shared_ptr<ClusterView> view)
    : loop_(loop),
      options_(std::move(options)),
      seams_(std::move(seams)),
      view_(std::move(view)),
      scope_(loop) {}

void Cluster::begin() { view_->join(*this); }

Cluster::~Cluster() { view_->leave(*this); }

// --- where things are ---

ClientOptions Cluster::options_for(const api::HostPort& address) const {
  ClientOptions options = options_;
  const api::HostPort seen = options_.address_map(address);
  options.endpoint.host = seen.host;
  options.endpoint.port = seen.port;
  options.endpoint.hosts.clear();
  options.told_as = address;
  options.channels = view_->channels();
  options.watch = nullptr;  // nodes are told of their roles one by one
  options.connection.silent_after = silent_after;
  // All of them together have as many as one server would.
  const std::size_t masters = std::max<std::size_t>(1, view_->map().masters().size());
  options.pool_size =
      std::max(std::min(fewest_lanes, options_.pool_size), options_.pool_size / masters);
  options.on_trouble = [weak = std::weak_ptr<ClusterView>(view_)] {
    if (const auto view = weak.lock()) view->lost();
  };
  return options;
}

Node& Cluster::node(const api::HostPort& address) {
  std::unique_ptr<Node>& node = nodes_[address.text()];
  if (node == nullptr) node = std::make_unique<Node>(loop_, options_for(address), seams_);
  return *node;
}

Route& Cluster::route(LaneRole role, std::string_view tag) {
  const int slot = slot_of(tag);
  // Batches that wait for replicas hold up their lane: a way for each sender.
  const std::size_t sender = role == LaneRole::durable ? durable_++ % durable_lanes : 0;
  std::unique_ptr<Way>& way = ways_[{role, slot + slot_count * static_cast<int>(sender)}];
  if (way == nullptr) {
    std::size_t lane = 0;
    if (role == LaneRole::manage) lane = 1;
    if (role == LaneRole::durable) lane = first_durable + sender;
    if (role == LaneRole::consume) lane = consumers_++;
    way = std::make_unique<Way>(*this, slot, lane);
    lead(*way);
  }
  return way->route;
}

std::string Cluster::no_master_text(int slot) const {
  if (!view_->map().known()) return view_->trouble();
  return "slot " + std::to_string(slot) + " of the Cluster has no master";
}

void Cluster::lead(Way& way) {
  if (closing_) {
    way.route.close();
    return;
  }
  const api::HostPort* const master = view_->map().master(way.slot);
  if (master == nullptr) {
    way.route.move_to(nullptr, no_master_text(way.slot));
    view_->lost();
    return;
  }
  const std::string address = master->text();
  way.route.move_to(&node(*master).lane(way.lane), "its slot is at " + address);
}

void Cluster::slots_changed(const std::vector<int>& slots) {
  if (closing_) return;
  const std::set<int> changed(slots.begin(), slots.end());
  for (auto& [what, way] : ways_) {
    if (changed.contains(way->slot)) lead(*way);
  }
  lead_subscriptions();
  drop_unused_nodes();
}

// Those who listen are told from the ready list, as this may be inside what they do.
void Cluster::lead_subscriptions() {
  if (subscriptions_.empty() || std::exchange(leading_, true)) return;
  loop_.defer([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self == nullptr) return;
    self->leading_ = false;
    const std::vector<MovingSubscription*> all = self->subscriptions_;
    for (MovingSubscription* const each : all) {
      if (self->closing_) return;
      const auto& now = self->subscriptions_;
      if (std::ranges::find(now, each) == now.end()) continue;  // an event ended it
      const api::HostPort* const master = self->view_->map().master(each->slot);
      each->lead_to(master == nullptr ? nullptr : &self->node(*master));
    }
    self->drop_unused_nodes();
  });
}

// A node that serves no slot any more is left at once: it may have been away, and accept writes
// that nobody will ever see.
void Cluster::drop_unused_nodes() {
  if (leading_) return;  // somebody may listen there still
  std::set<std::string> serve;
  for (const api::HostPort& each : view_->map().masters()) serve.insert(each.text());
  for (auto place = nodes_.begin(); place != nodes_.end();) {
    if (serve.contains(place->first)) {
      ++place;
      continue;
    }
    earlier_reconnects_ += place->second->health().reconnects;
    scope_.spawn(retire(std::move(place->second)));
    place = nodes_.erase(place);
  }
}

Task<> Cluster::retire(std::unique_ptr<Node> node) {
  node->abandon("it serves no slot of the Cluster any more");
  const TimePoint now = node->loop().now();
  co_await node->close(now);
}

std::unique_ptr<Subscription> Cluster::subscribe(std::string_view tag, std::string channel,
                                                 Subscription::Events events) {
  auto subscription = std::make_unique<MovingSubscription>(shared_from_this(), slot_of(tag),
                                                           std::move(channel), std::move(events));
  const api::HostPort* const master = view_->map().master(subscription->slot);
  if (master != nullptr && !closing_) subscription->lead_to(&node(*master));
  return subscription;
}

// --- how things are ---

bool Cluster::misses_a_node() const {
  const bool nowhere = std::ranges::any_of(
      ways_, [](const auto& each) { return each.second->route.lane() == nullptr; });
  return nowhere || std::ranges::any_of(nodes_, [](const auto& each) {
           const ClientHealth health = each.second->health();
           return health.lanes > health.ready && !health.last_error.empty();
         });
}

ClientHealth Cluster::health() const {
  ClientHealth all;
  all.reconnects = earlier_reconnects_;
  for (const auto& [address, node] : nodes_) {
    ClientHealth one = node->health();
    all.lanes += one.lanes;
    all.ready += one.ready;
    all.refused += one.refused;
    all.reconnects += one.reconnects;
    if (!one.last_error.empty()) all.last_error = address + ": " + one.last_error;
    if (!one.mute.empty()) all.mute = address + ": " + one.mute;
  }
  if (!view_->map().known()) all.last_error = view_->trouble();
  if (view_->is_no_cluster()) all.unfit = view_->trouble();
  return all;
}

Task<> Cluster::check(TimePoint deadline) { return check_within(shared_from_this(), deadline); }

Task<> Cluster::check_within(std::shared_ptr<Cluster> self, TimePoint deadline) {
  const bool known = co_await self->view_->wait_known(deadline);
  if (self->closing_) throw ShutdownError(shut_down_text);
  if (!known) throw ConnectionError(self->view_->trouble());
  const std::vector<api::HostPort> masters = self->view_->map().masters();
  if (masters.empty()) throw ConnectionError("no slot of the Cluster has a master");
  std::vector<std::string> used;
  for (const auto& [address, node] : self->nodes_) {
    if (node->health().lanes > 0) used.push_back(address);
  }
  // One is enough to begin with: whoever needs another one says so.
  if (used.empty()) {
    const std::size_t any = self->seams_.rng->next() % masters.size();
    used.push_back(masters[any].text());
    static_cast<void>(self->node(masters[any]));  // made now
  }
  for (const std::string& address : used) {
    const auto found = self->nodes_.find(address);
    if (found == self->nodes_.end()) continue;  // it has left meanwhile
    co_await found->second->check(deadline);
  }
}

Task<> Cluster::close(TimePoint deadline) { return close_all(shared_from_this(), deadline); }

Task<> Cluster::close_all(std::shared_ptr<Cluster> self, TimePoint deadline) {
  self->closing_ = true;
  for (auto& [what, way] : self->ways_) way->route.close();
  for (auto& [address, node] : self->nodes_) self->scope_.spawn(node->close(deadline));
  self->view_->leave(*self);
  co_await self->scope_.join();
  co_await self->view_->close();
}

}  // namespace mx_rmq::redis
