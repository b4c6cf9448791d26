#pragma once

#include <memory>

#include "redis/connection/role_watch.hpp"

namespace mx_rmq::redis {

class ClusterView;
class MasterWatch;

/// What the clients of one queue have in common.
struct Shared {
  std::shared_ptr<RoleWatch> roles = std::make_shared<RoleWatch>();
  std::weak_ptr<MasterWatch> master{};  ///< there is one as long as a client behind Sentinels
  std::shared_ptr<std::weak_ptr<ClusterView>> cluster =
      std::make_shared<std::weak_ptr<ClusterView>>();  ///< or one of a Cluster
};

}  // namespace mx_rmq::redis
