#include "redis/connection/role_watch.hpp"

#include <algorithm>
#include <cassert>

#include "redis/connection/connection.hpp"
#include "redis/connection/connection_group.hpp"

namespace mx_rmq::redis {

void RoleWatch::remove(ConnectionGroup& group) noexcept { std::erase(groups_, &group); }

void RoleWatch::demoted(std::uint64_t known_at, std::string_view why) {
  assert(known_at <= renewals_ && "a connection knows of no renewal to come");
  if (known_at < renewals_) return;
  ++renewals_;
  const std::string text(why);  // it may lie in what is renewed
  for (ConnectionGroup* const group : groups_) {
    const std::vector<Connection*> all = group->connections();
    for (Connection* const each : all) each->renew(text);
  }
}

void RoleWatch::relocate(const Address& where, std::string_view why) {
  const std::string text(why);
  for (ConnectionGroup* const group : groups_) {
    const std::vector<Connection*> all = group->connections();
    for (Connection* const each : all) each->relocate(where, text);
  }
}

bool RoleWatch::any_ready() const noexcept {
  return std::ranges::any_of(groups_, [](const ConnectionGroup* group) {
    const auto& all = group->connections();
    return std::ranges::any_of(all, [](const Connection* each) { return each->fsm().ready(); });
  });
}

void RoleWatch::found(const Connection& one) {
  for (ConnectionGroup* const group : groups_) {
    const std::vector<Connection*> all = group->connections();
    for (Connection* const each : all) {
      if (each == &one) continue;
      each->try_now();
      each->look();
    }
  }
}

}  // namespace mx_rmq::redis
