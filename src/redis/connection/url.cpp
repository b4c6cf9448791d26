#include <utility>

#include "api/redis_url.hpp"
#include "mx_rmq/errors.hpp"
#include "redis/connection/options.hpp"

namespace mx_rmq::redis {

std::string ConnectOptions::address() const {
  if (!unix_path.empty()) return "unix:" + unix_path;
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

ConnectOptions parse_url(std::string_view text) {
  api::RedisUrl url;
  try {
    url = api::parse_redis_url(text);
  } catch (const api::BadRedisUrl& error) {
    throw ConfigError(std::string("redis_url: ") + error.what());
  }
  ConnectOptions options;
  options.host = std::move(url.host);
  options.port = url.port;
  options.unix_path = std::move(url.unix_path);
  options.user = std::move(url.user).value_or("");
  if (url.password) options.password = Secret(std::move(*url.password));
  options.db = url.db.value_or(0);
  options.client_name = std::move(url.client_name).value_or("");
  return options;
}

}  // namespace mx_rmq::redis
