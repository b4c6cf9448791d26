#pragma once

#include <memory>

#include "redis/topology/master_watch.hpp"
#include "redis/topology/one_server.hpp"

namespace mx_rmq::redis {

/// The master that Sentinels name: one server, but which one is asked at every new connection, and
/// all connections are dropped when it is another one. So a change of the master is a new
/// connection of each lane, and a new epoch of its routes.
class BehindSentinels final : public OneServer {
 public:
  /// `seams` lead to any host; `watch` is shared by the clients of a queue.
  BehindSentinels(runtime::EventLoop& loop, ClientOptions options, Seams seams,
                  std::shared_ptr<MasterWatch> watch);

  [[nodiscard]] ClientHealth health() const override;
  Task<> close(TimePoint deadline) override;

 private:
  std::shared_ptr<MasterWatch> watch_;
  bool left_ = false;
};

}  // namespace mx_rmq::redis
