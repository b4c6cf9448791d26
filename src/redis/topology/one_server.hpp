#pragma once

#include "redis/topology/client.hpp"
#include "redis/topology/node.hpp"

namespace mx_rmq::redis {

/// The simplest kind of Redis: one server, which serves every slot. If its name leads to another
/// server by and by (a failover behind a DNS name), that is a new connection of its lanes, and so a
/// new epoch of its routes.
class OneServer : public Client {
 public:
  OneServer(runtime::EventLoop& loop, ClientOptions options, Seams seams);

  Route& route(LaneRole role, std::string_view tag) override;
  std::unique_ptr<Subscription> subscribe(std::string_view tag, std::string channel,
                                          Subscription::Events events) override;
  [[nodiscard]] ChannelKind channels() const noexcept override { return ChannelKind::plain; }
  [[nodiscard]] runtime::EventLoop& loop() const noexcept override { return node_.loop(); }
  [[nodiscard]] Rng& rng() const noexcept override { return node_.rng(); }
  [[nodiscard]] ClientHealth health() const override { return node_.health(); }
  Task<> check(TimePoint deadline) override { return node_.check(deadline); }
  Task<> close(TimePoint deadline) override { return node_.close(deadline); }

 private:
  Node node_;
  std::size_t durable_ = 0;    // routes given out for that
  std::size_t consumers_ = 0;  // routes given out for consuming
};

}  // namespace mx_rmq::redis
