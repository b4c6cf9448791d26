#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "redis/connection/secret.hpp"

namespace mx_rmq::lua {
struct Script;
}

namespace mx_rmq::redis {

class RoleWatch;

/// Where Redis is and who we are there; what a URL says.
struct ConnectOptions {
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
[[nodiscard]] ConnectOptions parse_url(std::string_view url);

/// What is refused as a protocol error, before memory is spent on it.
struct ReplyLimits {
  std::size_t max_bulk = std::size_t{512} << 20;    ///< bytes of one string
  std::size_t max_elements = std::size_t{1} << 20;  ///< elements of one reply, all levels together
  std::size_t max_bytes = std::size_t{1} << 30;     ///< bytes of all strings of one reply
  int max_depth = 7;                                ///< arrays in arrays; what hiredis 0.14 allows
};

/// How a connection behaves; the same for all connections of a client.
struct ConnectionOptions {
  using ms = std::chrono::milliseconds;
  ms connect_timeout{
      5000};             ///< to resolve and connect, all addresses together; again for the set-up
  ms backoff_min{50};    ///< first pause before connecting again (each is jittered down to half)
  ms backoff_max{5000};  ///< longest pause
  ms refused_retry{30000};  ///< pause after wrong credentials or missing rights
  ms useful_after{1000};    ///< a connection that lived this long starts the pauses anew
  ms stall_timeout{5000};   ///< this long without a byte after a deadline passed: half-open, closed
  ms keepalive_idle{15000};                              ///< TCP keepalive; no PING is ever sent
  ms user_timeout{20000};                                ///< TCP_USER_TIMEOUT where there is one
  std::size_t max_queued_bytes = std::size_t{64} << 20;  ///< commands waiting for the socket
  ReplyLimits limits;
};

/// What a Client is made from.
struct ClientOptions {
  ConnectOptions connect;
  ConnectionOptions connection;
  std::size_t pool_size = 20;  ///< lanes; each is opened at its first use
  /// Loaded at every set-up. The pointers and what they name must outlive the client.
  std::span<const lua::Script* const> scripts;
  /// Shared by the clients of a queue; empty: one of its own.
  std::shared_ptr<RoleWatch> watch{};
};

}  // namespace mx_rmq::redis
