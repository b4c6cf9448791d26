#pragma once

#include <string>
#include <string_view>

#include "redis/connection/secret.hpp"

namespace mx_rmq::redis {

/// Where Redis is and who we are there; what a URL says.
struct Endpoint {
  bool tls = false;
  std::string host = "localhost";
  int port = 6379;
  std::string unix_path;  ///< not empty: this socket instead of host and port
  std::string user;       ///< empty: the default user, if there is a password
  Secret password;
  int db = 0;
  std::string client_name;  ///< shown by CLIENT LIST; empty: none

  /// "host:port" or the path; never a credential.
  [[nodiscard]] std::string address() const;
};

/// Where a URL leads, as api::parse_redis_url reads it; ConfigError for what that refuses.
[[nodiscard]] Endpoint parse_url(std::string_view url);

}  // namespace mx_rmq::redis
