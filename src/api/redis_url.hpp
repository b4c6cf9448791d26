#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "api/host_port.hpp"

/// Redis URLs. There is this one reader: what it refuses is refused by MQConfig::validate(), and
/// what it reads is what connections are made to.
namespace mx_rmq::api {

inline constexpr std::string_view redis_url_allowed =
    "redis://[[user]:password@]host[:port][/db], "
    "redis+sentinel://[[user]:password@]host[:26379][,host...]/MASTER[/db] or "
    "unix://[[user]:password@]/path[?db=N]";

/// What a URL leads to.
enum class RedisKind : std::uint8_t {
  one_server,
  sentinel,  ///< the master of a name, which Sentinels tell
  cluster
};

/// What a URL says, percent-decoded.
struct RedisUrl {
  RedisKind kind = RedisKind::one_server;
  bool tls = false;  ///< everything goes over TLS
  std::string host = "localhost";
  int port = 6379;
  /// All that are named, the first one as `host` and `port`: Sentinels, or nodes of a Cluster; of
  /// one server that one. Empty for a socket.
  std::vector<HostPort> hosts;
  std::string master;                         ///< its name at the Sentinels
  std::string unix_path;                      ///< not empty: this socket instead of host and port
  std::optional<std::string> user, password;  ///< never empty if there are any
  std::optional<int> db;
  std::optional<std::string> client_name;  ///< never empty if there is one
};

/// Why a URL is refused. Names the part that is wrong. Of the URL itself it quotes the scheme, and
/// digits where a number has to be: with a '/', '@' or '?' in a password that was not
/// percent-encoded, a piece of it may turn up in any part.
class BadRedisUrl : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// redis://[[user]:password@][host][:port][/db], with an IPv6 address in brackets, or
/// unix://[[user]:password@]/path; both with the arguments db and client_name behind '?'. With
/// several hosts, separated by commas: redis+sentinel://...host[:26379],.../MASTER[/db] and
/// redis+cluster://...host[:port],...[/db]. rediss instead of redis: over TLS. At most 4096 bytes,
/// no control bytes. Throws BadRedisUrl for anything else; what would need something that is not
/// built in is refused, never served in the clear.
[[nodiscard]] RedisUrl parse_redis_url(std::string_view url);

/// The text of the BadRedisUrl; empty if there is nothing to refuse.
[[nodiscard]] std::string why_redis_url_is_refused(std::string_view url);

/// The URL with its credentials as *** and without arguments. What is refused is not shown at all,
/// as nobody knows where in it a password would be.
[[nodiscard]] std::string redact_redis_url(const std::string& url);

/// MQConfig::client_name and a URL's: 1 to 64 bytes of printable ASCII without space.
[[nodiscard]] bool valid_client_name(std::string_view text);

}  // namespace mx_rmq::api
