#include "redis/topology/one_server.hpp"

#include <utility>

namespace mx_rmq::redis {

OneServer::OneServer(runtime::EventLoop& loop, ClientOptions options, Seams seams)
    : node_(loop, std::move(options), std::move(seams)) {}

Route& OneServer::route(LaneRole role, std::string_view) {
  switch (role) {
    case LaneRole::produce:
      return node_.lane(0);
    case LaneRole::manage:
      return node_.lane(1);
    case LaneRole::durable:
      return node_.lane(first_durable + durable_++ % durable_lanes);
    case LaneRole::consume:
      break;
  }
  return node_.lane(consumers_++);
}

std::unique_ptr<Subscription> OneServer::subscribe(std::string_view, std::string channel,
                                                   Subscription::Events events) {
  return node_.subscribe(channel, std::move(events));
}

}  // namespace mx_rmq::redis
