#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/redis_url.hpp"
#include "redis/connection/secret.hpp"

namespace mx_rmq::redis {

/// Where Redis is and who we are there; what a URL says.
struct Endpoint {
  api::RedisKind kind = api::RedisKind::one_server;
  bool tls = false;
  std::string host = "localhost";
  int port = 6379;
  std::vector<api::HostPort> hosts;  ///< all that the URL names; see api::RedisUrl
  std::string master;                ///< see api::RedisUrl
  std::string unix_path;             ///< not empty: this socket instead of host and port
  std::string user;                  ///< empty: the default user, if there is a password
  Secret password;
  int db = 0;
  std::string client_name;  ///< shown by CLIENT LIST; empty: none

  /// "host:port", the path, or the name of a master that Sentinels tell; never a credential.
  [[nodiscard]] std::string address() const;
};

/// Where a URL leads, as api::parse_redis_url reads it; ConfigError for what that refuses.
[[nodiscard]] Endpoint parse_url(std::string_view url);

}  // namespace mx_rmq::redis
