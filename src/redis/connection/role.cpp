#include "redis/connection/role.hpp"

#include <optional>

#include "api/tls_built_in.hpp"
#include "redis/wire/classify.hpp"
#include "redis/wire/info.hpp"
#include "runtime/text.hpp"

namespace mx_rmq::redis {

namespace {

// Names of others, in a text that is logged.
constexpr std::size_t most_shown = 100;

ServerRole::Kind kind_of(std::string_view word) noexcept {
  if (word == "master") return ServerRole::Kind::master;
  if (word == "slave" || word == "replica") return ServerRole::Kind::replica;
  if (word == "sentinel") return ServerRole::Kind::sentinel;
  return ServerRole::Kind::unknown;
}

bool is_text(const Reply& reply) noexcept {
  return reply.kind() == Reply::Kind::string || reply.kind() == Reply::Kind::status;
}

std::string shown(std::string_view text) {
  std::string out;
  runtime::text::append_escaped(out, text.substr(0, most_shown));
  return out;
}

std::string host_and_port(std::string_view host, std::string_view port) {
  const bool v6 = host.find(':') != std::string_view::npos;
  std::string out = v6 ? "[" + shown(host) + "]" : shown(host);
  return out + ":" + shown(port);
}

constexpr std::string_view in_a_cluster =
    " (this is a node of a Redis Cluster: its redis_url is redis+cluster://HOST:PORT, and the user "
    "needs the right to CLUSTER SLOTS)";
constexpr std::string_view on_a_replica =
    " (this is a replica, not a master: redis_url must name the master, a name that follows it, or "
    "the Sentinels that know it)";

// The URL for a Sentinel that watches these, by their names with commas.
std::string sentinel_url(const std::string& names) {
  const std::string begin = "redis+sentinel://HOST:PORT/";
  if (names.empty()) return begin + "NAME, with the name of the master that it watches";
  if (names.find(',') == std::string::npos) return begin + names;
  return begin + "NAME, where NAME is one of the masters that it watches: " + names;
}

}  // namespace

ServerRole read_role(const Reply& reply) {
  ServerRole role;
  if (!reply.is_array() || reply.size() == 0 || !is_text(reply.at(0))) return role;
  role.kind = kind_of(reply.at(0).as_string());
  if (role.kind == ServerRole::Kind::replica && reply.size() >= 3 && is_text(reply.at(1))) {
    const Reply& port = reply.at(2);
    const std::string number = port.kind() == Reply::Kind::integer
                                   ? std::to_string(port.as_integer())
                                   : (is_text(port) ? port.as_string() : "?");
    role.of = host_and_port(reply.at(1).as_string(), number);
  }
  if (role.kind == ServerRole::Kind::sentinel && reply.size() >= 2 && reply.at(1).is_array()) {
    for (const Reply& each : reply.at(1).as_array()) {
      if (!is_text(each) || role.of.size() > most_shown) continue;
      role.of += (role.of.empty() ? "" : ", ") + shown(each.as_string());
    }
  }
  return role;
}

ServerRole read_replication_info(const Reply& reply) {
  ServerRole role;
  if (reply.kind() != Reply::Kind::string) return role;
  const std::string& text = reply.as_string();
  role.kind = kind_of(info_field(text, "role").value_or(""));
  if (role.kind == ServerRole::Kind::replica) {
    role.of = host_and_port(info_field(text, "master_host").value_or("?"),
                            info_field(text, "master_port").value_or("?"));
  }
  return role;
}

std::string unfit_text(const ServerRole& role) {
  switch (role.kind) {
    case ServerRole::Kind::replica:
      return "this is a replica of " + (role.of.empty() ? "another server" : role.of) +
             ", not a master: redis_url must name the master, a name that follows it, or the "
             "Sentinels that know it";
    case ServerRole::Kind::sentinel:
      return "this is a Redis Sentinel, not a Redis server: write " + sentinel_url(role.of);
    case ServerRole::Kind::unknown:
    case ServerRole::Kind::master:
      break;
  }
  return {};
}

std::string unfit_tls_text(std::string_view address) {
  const std::string port = "the port at " + std::string(address) + " speaks TLS";
  if (api::tls_built_in()) return port + ": write rediss:// instead of redis:// in redis_url";
  return port +
         ", which is not built in: build mx_rmq with OpenSSL and write rediss://, or name the "
         "server's plain port, or that of a tunnel (stunnel) to this one";
}

std::string unfit_plain_text(std::string_view address) {
  return "the Redis at " + std::string(address) +
         " speaks no TLS at this port: redis_url must name its port for TLS (tls-port), or begin "
         "with redis:// if it has none";
}

std::string unfit_bytes_text(std::string_view address, std::string_view bytes) {
  // A record of TLS: an alert, or a handshake, of version 3.x.
  const bool tls =
      bytes.size() >= 2 && (bytes[0] == '\x15' || bytes[0] == '\x16') && bytes[1] == '\x03';
  if (tls) return unfit_tls_text(address);
  return "there is no Redis server at " + std::string(address) + ": it answered " +
         runtime::text::quoted(bytes, 60) + "; redis_url must name the host and port of a Redis";
}

std::string_view explained(std::string_view error_text) noexcept {
  const ErrorMeaning meaning = classify(error_text);
  if (meaning.remedy == Remedy::reconnect) return on_a_replica;
  if (meaning.remedy == Remedy::follow) return in_a_cluster;
  if (meaning.code == "CROSSSLOT") return in_a_cluster;
  return {};
}

ServerError refusal(std::string_view what, std::string_view error_text) {
  std::string text = "Redis refused ";
  text.append(what).append(": ").append(error_text).append(explained(error_text));
  return {std::string(classify(error_text).code), text};
}

}  // namespace mx_rmq::redis
