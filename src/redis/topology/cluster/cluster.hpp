#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "redis/topology/client.hpp"
#include "redis/topology/cluster/cluster_view.hpp"
#include "redis/topology/moving_route.hpp"
#include "redis/topology/node.hpp"

namespace mx_rmq::redis {

/// A Redis Cluster: a node for each master that serves a slot in use, with its lanes, its clock and
/// its subscriber, and a route for each slot in use, which goes where its slot is served now.
class Cluster final : public Client,
                      public std::enable_shared_from_this<Cluster>,
                      private ClusterView::Member {
 public:
  /// `view` is shared by the clients of a queue.
  Cluster(runtime::EventLoop& loop, ClientOptions options, Seams seams,
          std::shared_ptr<ClusterView> view);
  ~Cluster() override;
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  /// Asks for the map. Once.
  void begin();

  Route& route(LaneRole role, std::string_view tag) override;
  std::unique_ptr<Subscription> subscribe(std::string_view tag, std::string channel,
                                          Subscription::Events events) override;
  [[nodiscard]] ChannelKind channels() const noexcept override { return ChannelKind::sharded; }
  [[nodiscard]] runtime::EventLoop& loop() const noexcept override { return loop_; }
  [[nodiscard]] Rng& rng() const noexcept override { return *seams_.rng; }
  [[nodiscard]] ClientHealth health() const override;
  Task<> check(TimePoint deadline) override;
  Task<> close(TimePoint deadline) override;

 private:
  class Way;
  class MovingSubscription;
  using RoleAndSlot = std::pair<LaneRole, int>;

  void slots_changed(const std::vector<int>& slots) override;
  [[nodiscard]] bool misses_a_node() const override;

  [[nodiscard]] Node& node(const api::HostPort& address);
  [[nodiscard]] ClientOptions options_for(const api::HostPort& address) const;
  void lead(Way& way);
  void lead_subscriptions();
  void drop_unused_nodes();
  [[nodiscard]] std::string no_master_text(int slot) const;
  static Task<> check_within(std::shared_ptr<Cluster> self, TimePoint deadline);
  static Task<> close_all(std::shared_ptr<Cluster> self, TimePoint deadline);
  static Task<> retire(std::unique_ptr<Node> node);

  runtime::EventLoop& loop_;
  const ClientOptions options_;
  const Seams seams_;
  const std::shared_ptr<ClusterView> view_;
  std::map<std::string, std::unique_ptr<Node>> nodes_;  // by the address that the map has
  std::map<RoleAndSlot, std::unique_ptr<Way>> ways_;
  std::vector<MovingSubscription*> subscriptions_;
  std::uint64_t last_epoch_ = 0;          // of the subscriptions
  std::size_t durable_ = 0;               // routes given out for that
  std::size_t consumers_ = 0;             // ways made for consuming
  std::uint64_t earlier_reconnects_ = 0;  // of nodes that are gone
  bool leading_ = false;                  // lead_subscriptions() will run
  bool closing_ = false;
  runtime::Scope scope_;
};

}  // namespace mx_rmq::redis
