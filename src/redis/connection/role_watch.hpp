#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "redis/connection/transport.hpp"

namespace mx_rmq::redis {

class Connection;
class ConnectionGroup;

/// What the connections of one queue, of all its clients, tell each other about the server's role.
/// One that is told that its server is no master any more (READONLY, UNBLOCKED, ROLE) speaks for
/// all: most of the others lead to the same server, and would go on reading there without an error.
/// Loop thread only.
class RoleWatch {
 public:
  RoleWatch() = default;
  RoleWatch(const RoleWatch&) = delete;
  RoleWatch& operator=(const RoleWatch&) = delete;

  void add(ConnectionGroup& group) { groups_.push_back(&group); }
  void remove(ConnectionGroup& group) noexcept;

  /// How often all connections have been renewed. A connection keeps the number of when it became
  /// usable.
  [[nodiscard]] std::uint64_t renewals() const noexcept { return renewals_; }
  /// A connection that became usable at `known_at` renewals was told that its server is no master:
  /// all connections are renewed, which asks for the role. Nothing if they have been since then:
  /// many are told at once.
  void demoted(std::uint64_t known_at, std::string_view why);
  /// `one` has become usable. Those that pause because they found no master try at once. The others
  /// look what theirs is by now: between their set-up and this one what leads there may have been
  /// changed, of which one that only reads is never told.
  void found(const Connection& one);

  /// Called when a connection found a replica at an address instead of a master, with what it says
  /// its master is; for who knows how to find another one.
  using OnReplica = std::function<void(const Address& where, const std::string& its_master)>;
  void on_replica(OnReplica callback) { on_replica_ = std::move(callback); }
  void found_replica(const Address& where, const std::string& its_master) {
    if (on_replica_) on_replica_(where, its_master);
  }
  /// The master is at `where` (by name and port): connections to anywhere else end at once, and
  /// those that pause try at once.
  void relocate(const Address& where, std::string_view why);
  /// Whether any connection is usable now.
  [[nodiscard]] bool any_ready() const noexcept;

 private:
  std::vector<ConnectionGroup*> groups_;
  OnReplica on_replica_;
  std::uint64_t renewals_ = 0;
};

}  // namespace mx_rmq::redis
