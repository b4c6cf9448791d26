#pragma once

#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "redis/topology/client.hpp"
#include "redis/topology/node.hpp"
#include "redis/wire/call_end.hpp"
#include "runtime/event.hpp"
#include "runtime/scope.hpp"

namespace mx_rmq::redis {

/// One server, until it turns out to be a node of a Cluster: then the Cluster. It is asked at the
/// first use, over the connection that commands will take; they wait for the answer.
class Discovery final : public Client, public std::enable_shared_from_this<Discovery> {
 public:
  struct Makes {
    std::function<std::shared_ptr<Client>()> cluster;
    /// A node at the same address that may be no master: a replica can tell of its Cluster, too.
    std::function<std::unique_ptr<Node>()> scout;
  };

  /// `one` is what is used if it is no Cluster.
  Discovery(std::shared_ptr<Client> one, Makes makes);
  ~Discovery() override;
  Discovery(const Discovery&) = delete;
  Discovery& operator=(const Discovery&) = delete;

  Route& route(LaneRole role, std::string_view tag) override;
  std::unique_ptr<Subscription> subscribe(std::string_view tag, std::string channel,
                                          Subscription::Events events) override;
  /// Sharded until it is known: such names are good for either.
  [[nodiscard]] ChannelKind channels() const noexcept override;
  [[nodiscard]] runtime::EventLoop& loop() const noexcept override { return one_->loop(); }
  [[nodiscard]] Rng& rng() const noexcept override { return one_->rng(); }
  [[nodiscard]] ClientHealth health() const override;
  Task<> check(TimePoint deadline) override;
  Task<> close(TimePoint deadline) override;

 private:
  class LateRoute;
  class LateSubscription;

  void begin();
  void found(std::shared_ptr<Client> what);
  void refused(std::exception_ptr error);
  bool take(const CallEnd& end, const Reply& reply);
  static Task<> ask(std::shared_ptr<Discovery> self);
  static Task<> ask_as_scout(std::shared_ptr<Discovery> self);
  static Task<> check_found(std::shared_ptr<Discovery> self, TimePoint deadline);
  static Task<> close_all(std::shared_ptr<Discovery> self, TimePoint deadline);

  const std::shared_ptr<Client> one_;
  const Makes makes_;
  std::shared_ptr<Client> found_;  // null until it is known
  std::exception_ptr refusal_;     // of credentials or rights, the last time
  bool asking_ = false;
  bool closing_ = false;
  std::vector<std::unique_ptr<LateRoute>> routes_;
  std::vector<LateSubscription*> waiting_;  // not subscribed yet
  runtime::Event known_;                    // set with found_, and when it is closed
  runtime::Scope scope_;
};

}  // namespace mx_rmq::redis
