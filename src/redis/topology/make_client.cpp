#include <utility>

#include "redis/topology/behind_sentinels.hpp"
#include "redis/topology/client.hpp"
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

}  // namespace

std::shared_ptr<Client> make_client(runtime::EventLoop& loop, ClientOptions options, Seams seams,
                                    Shared& shared) {
  options.watch = shared.roles;
  if (options.endpoint.kind == api::RedisKind::sentinel) {
    return behind_sentinels(loop, std::move(options), std::move(seams), shared);
  }
  return std::make_shared<OneServer>(loop, std::move(options), std::move(seams));
}

std::shared_ptr<Client> make_client(runtime::EventLoop& loop, ClientOptions options, Seams seams) {
  Shared alone;
  return make_client(loop, std::move(options), std::move(seams), alone);
}

}  // namespace mx_rmq::redis
