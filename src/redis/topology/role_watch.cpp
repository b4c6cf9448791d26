#include "redis/topology/role_watch.hpp"

#include "redis/connection/connection.hpp"
#include "redis/connection/context.hpp"

namespace mx_rmq::redis {

void RoleWatch::remove(Context& context) noexcept { std::erase(contexts_, &context); }

void RoleWatch::demoted(std::uint64_t known_at, std::string_view why) {
  if (known_at < renewals_) return;
  ++renewals_;
  const std::string text(why);  // it may lie in what is renewed
  for (Context* const context : contexts_) {
    const std::vector<Connection*> all = context->connections();
    for (Connection* const each : all) each->renew(text);
  }
}

void RoleWatch::found(const Connection& one) {
  for (Context* const context : contexts_) {
    const std::vector<Connection*> all = context->connections();
    for (Connection* const each : all) {
      if (each == &one) continue;
      each->try_now();
      each->look();
    }
  }
}

}  // namespace mx_rmq::redis
