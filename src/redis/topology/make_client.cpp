#include <utility>

#include "redis/topology/behind_sentinels.hpp"
#include "redis/topology/client.hpp"
#include "redis/topology/cluster/cluster.hpp"
#include "redis/topology/discovery.hpp"
#include "redis/topology/one_server.hpp"

namespace mx_rmq::redis {

namespace {

std::shared_ptr<Client> behind_sentinels(runtime::EventLoop& loop, ClientOptions options,
                                         Seams seams, Shared& shared) {
  std::shared_ptr<MasterWatch> watch = shared.master.lock();
  if (watch == nullptr || watch->stopped()) {
    watch = std::make_shared<MasterWatch>(loop, options, seams, shared.roles);
    shared.master = watch;
  }
  return std::make_shared<BehindSentinels>(loop, std::move(options), std::move(seams),
                                           std::move(watch));
}

std::shared_ptr<Client> on_cluster(runtime::EventLoop& loop, ClientOptions options, Seams seams,
                                   std::weak_ptr<ClusterView>& shared) {
  std::shared_ptr<ClusterView> view = shared.lock();
  if (view == nullptr || view->closed()) {
    view = std::make_shared<ClusterView>(loop, options, seams);
    shared = view;
  }
  auto cluster = std::make_shared<Cluster>(loop, std::move(options), std::move(seams), view);
  cluster->begin();
  return cluster;
}

// One server may turn out to be a node of a Cluster.
std::shared_ptr<Client> whatever_is_there(runtime::EventLoop& loop, ClientOptions options,
                                          Seams seams, const Shared& shared) {
  Discovery::Makes makes;
  makes.scout = [&loop, options, seams] {
    ClientOptions any = options;
    any.peer = Peer::any;
    any.pool_size = 1;
    any.scripts = {};
    any.watch = nullptr;
    any.connection.one_attempt = true;
    return std::make_unique<Node>(loop, std::move(any), seams);
  };
  makes.cluster = [&loop, options, seams, view = shared.cluster] {
    return on_cluster(loop, options, seams, *view);
  };
  auto one = std::make_shared<OneServer>(loop, std::move(options), std::move(seams));
  return std::make_shared<Discovery>(std::move(one), std::move(makes));
}

}  // namespace

std::shared_ptr<Client> make_client(runtime::EventLoop& loop, ClientOptions options, Seams seams,
                                    Shared& shared) {
  options.watch = shared.roles;
  if (options.endpoint.kind == api::RedisKind::sentinel) {
    return behind_sentinels(loop, std::move(options), std::move(seams), shared);
  }
  if (options.endpoint.kind == api::RedisKind::cluster) {
    return on_cluster(loop, std::move(options), std::move(seams), *shared.cluster);
  }
  if (options.endpoint.unix_path.empty()) {
    return whatever_is_there(loop, std::move(options), std::move(seams), shared);
  }
  return std::make_shared<OneServer>(loop, std::move(options), std::move(seams));
}

std::shared_ptr<Client> make_client(runtime::EventLoop& loop, ClientOptions options, Seams seams) {
  Shared alone;
  return make_client(loop, std::move(options), std::move(seams), alone);
}

}  // namespace mx_rmq::redis
