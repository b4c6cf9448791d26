// The network: byte streams between simulated processes and the server, and what can happen to
// them.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "redis/connection/transport.hpp"
#include "scheduler.hpp"

namespace mx_rmq::sim {

class Node;
class Simulation;

// One direction of a stream: bytes arrive in order, each at its time, and the end behind them.
class Pipe {
 public:
  using Arrived = std::function<void(std::string bytes, bool end)>;
  Pipe(Scheduler& scheduler, std::weak_ptr<void> owner, Arrived arrived)
      : scheduler_(scheduler), owner_(std::move(owner)), arrived_(std::move(arrived)) {}

  void send(std::string bytes, TimePoint at, bool end = false);
  // Nothing arrives before.
  void hold(TimePoint until);
  // What is under way, and whatever is sent later, never arrives.
  void drop();

 private:
  struct Segment {
    TimePoint at;
    std::string bytes;
    bool end;
  };
  void arm();
  void deliver();

  Scheduler& scheduler_;
  const std::weak_ptr<void> owner_;  // without it nothing is delivered
  const Arrived arrived_;
  std::deque<Segment> segments_;
  TimePoint not_before_{};
  std::uint64_t arming_ = 0;
  bool dropped_ = false;
};

// One connection. Kept alive by whoever still uses it.
class Link : public std::enable_shared_from_this<Link> {
 public:
  static std::shared_ptr<Link> make(Simulation& world, Node& node, redis::TransportEvents& events);
  Link(Simulation& world, Node& node, std::uint64_t id, redis::TransportEvents& events);

  std::uint64_t id() const noexcept { return id_; }
  Node& node() const noexcept { return node_; }

  // --- the client's end ---
  void connect();
  std::size_t write(std::span<const redis::SharedBytes> buffers, std::size_t skip);
  void close();

  // --- the server's end ---
  void reply(std::string bytes);

  // --- faults --- It breaks. The client learns of it after `told`; what is on its way to the
  // server is lost, or arrives as late as `late` says; what is on its way back is lost.
  void cut(Duration told, std::optional<Duration> late);
  // It dies, and neither end is told.
  void silence();
  void hold(TimePoint until);
  // The process at its end is gone; what it has sent is on its way.
  void die();
  bool usable() const noexcept { return events_ != nullptr && !broken_ && !silent_; }

 private:
  void tell(std::function<void(redis::TransportEvents&)> what);
  void lose(std::string why);
  void drop_at_server();

  Simulation& world_;
  Node& node_;
  const std::uint64_t id_;
  redis::TransportEvents* events_;  // nullptr once the client closed it or was told of its end
  bool accepted_ = false;           // the server has it
  bool silent_ = false;
  bool broken_ = false;
  std::optional<Pipe> up_;
  std::optional<Pipe> down_;
};

// What a node's connections are made of.
class SimTransport final : public redis::Transport {
 public:
  SimTransport(Simulation& world, Node& node, redis::TransportEvents& events)
      : link_(Link::make(world, node, events)) {}
  ~SimTransport() override { link_->close(); }
  void connect(const redis::Address&) override { link_->connect(); }
  std::size_t write(std::span<const redis::SharedBytes> buffers, std::size_t skip) override {
    return link_->write(buffers, skip);
  }
  void close() override { link_->close(); }

 private:
  const std::shared_ptr<Link> link_;
};

}  // namespace mx_rmq::sim
