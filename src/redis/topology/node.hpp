#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "mx_rmq/task.hpp"
#include "redis/connection/options.hpp"
#include "redis/connection/seams.hpp"
#include "redis/topology/client_health.hpp"
#include "redis/topology/lane.hpp"
#include "redis/topology/subscription.hpp"

namespace mx_rmq::redis {

class ConnectionGroup;
class Subscriber;

/// One server, as one client sees it: its lanes, its subscriber, and its clock. Loop thread
/// only. `close` must have completed before it is destroyed, except when the loop has ended.
class Node {
 public:
  /// What is there is named by `options`.
  Node(runtime::EventLoop& loop, ClientOptions options, Seams seams);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  /// The lane of `key` (modulo the pool's size); it begins to connect at its first use. Lives as
  /// long as the node.
  Lane& lane(std::size_t key);
  /// Listens to a channel there, over one connection for all of them; hellos go over lane 0.
  std::unique_ptr<Subscription> subscribe(const std::string& channel, Subscription::Events events);

  [[nodiscard]] ServerClock& clock() const noexcept;
  [[nodiscard]] runtime::EventLoop& loop() const noexcept;
  [[nodiscard]] Rng& rng() const noexcept;
  [[nodiscard]] ClientHealth health() const;

  /// See Client::check; asked over lane 0.
  Task<> check(TimePoint deadline);
  /// It is not what it was any more: everything is closed at once, and no reply from there counts.
  /// What was written ends with OutcomeUnknown, what was not with ConnectionError.
  void abandon(std::string why);
  /// See Client::close.
  Task<> close(TimePoint deadline);

 private:
  std::shared_ptr<Connection> open();
  static Task<> check_on(std::shared_ptr<Connection> connection, TimePoint deadline);

  std::shared_ptr<ConnectionGroup> group_;
  bool closing_ = false;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::shared_ptr<Subscriber> subscriber_;  // made for the first channel
};

}  // namespace mx_rmq::redis
