#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

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

 private:
  std::vector<ConnectionGroup*> groups_;
  std::uint64_t renewals_ = 0;
};

}  // namespace mx_rmq::redis
