#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "api/address_map.hpp"
#include "api/host_port.hpp"
#include "redis/connection/channel_kind.hpp"
#include "redis/connection/endpoint.hpp"
#include "redis/connection/tls/tls_options.hpp"
#include "redis/wire/reply_reader.hpp"

namespace mx_rmq::lua {
struct Script;
}

namespace mx_rmq::redis {

class RoleWatch;

/// How a connection behaves, wherever it leads; the same for all connections of a client.
struct ConnectionOptions {
  using ms = std::chrono::milliseconds;
  ms connect_timeout{5000};  ///< to resolve and connect, all addresses together; again for a TLS
                             ///< handshake and for the set-up
  ms backoff_min{50};       ///< first pause before connecting again (each is jittered down to half)
  ms backoff_max{5000};     ///< longest pause
  ms refused_retry{30000};  ///< pause after wrong credentials or missing rights
  bool one_attempt = false;  ///< commands fail with an attempt instead of waiting for the next
  ms useful_after{1000};     ///< a connection that lived this long starts the pauses anew
  /// So long without a byte, in the middle of commands or of an attempt, is told (0: never), and
  /// again after as long.
  ms silent_after{0};
  ms stall_timeout{5000};  ///< this long without a byte after a deadline passed: half-open, closed
  ms keepalive_idle{15000};                              ///< TCP keepalive; no PING is ever sent
  ms user_timeout{20000};                                ///< TCP_USER_TIMEOUT where there is one
  std::size_t max_queued_bytes = std::size_t{64} << 20;  ///< commands waiting for the socket
  ReplyLimits limits;
  std::optional<TlsOptions> tls{};  ///< if there are any, nothing is sent without TLS
};

/// What has to be at the other end of a connection.
enum class Peer : std::uint8_t {
  master,
  probe,  ///< the same, for a look at what is there: not worth a line in the log
  any,    ///< any server, for a question that a replica answers as well
  sentinel
};

/// What a Client is made from.
struct ClientOptions {
  Endpoint endpoint;
  ConnectionOptions connection;
  Peer peer = Peer::master;
  std::size_t pool_size = 20;  ///< lanes; each is opened at its first use
  /// Loaded at every set-up. The pointers and what they name must outlive the client.
  std::span<const lua::Script* const> scripts;
  /// Shared by the clients of a queue; empty: one of its own.
  std::shared_ptr<RoleWatch> watch{};
  /// A node of a Cluster: how the others name it, and who is told, perhaps inside a C callback,
  /// that it cannot be reached or does not serve what it was asked for.
  api::HostPort told_as{};
  std::function<void()> on_trouble{};
  /// How channels are published to there, as far as is known.
  ChannelKind channels = ChannelKind::plain;
  /// Where servers are seen from here, by what Sentinels and the nodes of a Cluster tell.
  api::AddressMap address_map{};
  std::string sentinel_user;  ///< empty: the default user, if there is a password
  Secret sentinel_password;
};

}  // namespace mx_rmq::redis
