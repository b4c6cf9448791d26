#include "redis/connection/endpoint.hpp"

#include <utility>

#include "api/redis_url.hpp"
#include "mx_rmq/errors.hpp"

namespace mx_rmq::redis {

std::string Endpoint::address() const {
  if (!unix_path.empty()) return "unix:" + unix_path;
  if (kind == api::RedisKind::sentinel) return "master " + master;
  return api::HostPort{host, port}.text();
}

Endpoint parse_url(std::string_view text) {
  api::RedisUrl url;
  try {
    url = api::parse_redis_url(text);
  } catch (const api::BadRedisUrl& error) {
    throw ConfigError(std::string("redis_url: ") + error.what());
  }
  Endpoint endpoint;
  endpoint.kind = url.kind;
  endpoint.tls = url.tls;
  endpoint.hosts = std::move(url.hosts);
  endpoint.master = std::move(url.master);
  endpoint.host = std::move(url.host);
  endpoint.port = url.port;
  endpoint.unix_path = std::move(url.unix_path);
  endpoint.user = std::move(url.user).value_or("");
  if (url.password) endpoint.password = Secret(std::move(*url.password));
  endpoint.db = url.db.value_or(0);
  endpoint.client_name = std::move(url.client_name).value_or("");
  return endpoint;
}

}  // namespace mx_rmq::redis
