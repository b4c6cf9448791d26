#include "api/redis_url.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

#include "api/tls_built_in.hpp"
#include "runtime/text.hpp"

namespace mx_rmq::api {
namespace {

constexpr std::string_view separator = "://";
constexpr std::size_t max_url_bytes = 4096;
constexpr std::size_t max_unix_path = 107;  // sockaddr_un
constexpr int max_db = 65535;
constexpr int default_port = 6379;
constexpr int default_sentinel_port = 26379;
constexpr std::size_t max_hosts = 64;
constexpr std::size_t max_master_bytes = 128;
constexpr std::size_t max_shown_digits = 10;
constexpr std::string_view encode_hint =
    " (a '/', '?', '#' or '@' in a password must be percent-encoded)";

[[noreturn]] void refuse_url(const std::string& why) { throw BadRedisUrl(why); }

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

constexpr std::string_view sentinel_form = "redis+sentinel://host[:26379][,host...]/MASTER[/db]";

// What can be served.
constexpr bool sentinel_is_built_in = true;
constexpr bool cluster_is_built_in = true;

std::string allowed_schemes() {
  std::string out = "allowed are redis://";
  if (tls_built_in()) out += ", rediss://";
  if (sentinel_is_built_in) out += ", redis+sentinel://";
  if (cluster_is_built_in) out += ", redis+cluster://";
  return out + " and unix://";
}

/// What a scheme asks for.
struct Scheme {
  RedisKind kind = RedisKind::one_server;
  bool tls = false;
  bool socket = false;
};

std::optional<Scheme> read_scheme(std::string_view scheme) {
  Scheme out;
  if (scheme == "unix") {
    out.socket = true;
    return out;
  }
  const std::size_t plus = scheme.find('+');
  const std::string_view base = scheme.substr(0, plus);
  out.tls = base == "rediss" || base == "valkeys";
  if (!out.tls && base != "redis" && base != "valkey") return std::nullopt;
  if (plus == std::string_view::npos) return out;
  const std::string_view kind = scheme.substr(plus + 1);
  if (kind == "sentinel") {
    out.kind = RedisKind::sentinel;
  } else if (kind == "cluster") {
    out.kind = RedisKind::cluster;
  } else {
    return std::nullopt;
  }
  return out;
}

[[noreturn]] void refuse_scheme(const std::string& scheme) {
  std::string why = "the scheme " + runtime::text::quoted(scheme, 32) + " is not supported";
  if (scheme.find("sentinel") != std::string::npos)
    why += " (for Sentinel write " + std::string(sentinel_form) + ')';
  if (scheme.find("cluster") != std::string::npos)
    why += " (for Redis Cluster write redis+cluster://host[:port][,host...])";
  refuse_url(why + "; " + allowed_schemes());
}

void refuse_what_is_not_built_in(const Scheme& asked, const std::string& scheme) {
  if (asked.tls && !tls_built_in())
    refuse_url(
        scheme +
        ":// (TLS) is not built in, and it is never replaced by an unencrypted connection: build "
        "mx_rmq with OpenSSL 3 for it; " +
        allowed_schemes());
  const std::string asks = "the scheme " + runtime::text::quoted(scheme, 32) + " asks for ";
  if (asked.kind == RedisKind::sentinel && !sentinel_is_built_in)
    refuse_url(asks + "Sentinel, which is not built in; " + allowed_schemes());
  if (asked.kind == RedisKind::cluster && !cluster_is_built_in)
    refuse_url(asks + "Redis Cluster, which is not built in; " + allowed_schemes());
}

/// The parts as written.
struct Split {
  std::string scheme;  // in lower case
  Scheme asked;
  std::string_view credentials, address, path, query;
  bool has_credentials = false;
};

bool control(char c) noexcept { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

Split split(std::string_view url) {
  Split out;
  const std::size_t colon = url.find(separator);
  if (colon != std::string_view::npos) out.scheme = lower(url.substr(0, colon));
  if (out.scheme.empty() ||
      out.scheme.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789+.-") != std::string::npos)
    refuse_url("it has no scheme; " + allowed_schemes());
  const auto asked = read_scheme(out.scheme);
  if (!asked) refuse_scheme(out.scheme);
  refuse_what_is_not_built_in(*asked, out.scheme);
  out.asked = *asked;
  if (url.size() > max_url_bytes)
    refuse_url("it is longer than " + std::to_string(max_url_bytes) + " bytes");
  if (std::any_of(url.begin(), url.end(), control))
    refuse_url("there are control characters in it (a line end?)");
  std::string_view rest = url.substr(colon + separator.size());
  if (rest.find('#') != std::string_view::npos)
    refuse_url("a '#' has no meaning in it (in a password it must be percent-encoded)");
  if (const std::size_t mark = rest.find('?'); mark != std::string_view::npos) {
    out.query = rest.substr(mark + 1);
    rest = rest.substr(0, mark);
  }
  if (const std::size_t slash = rest.find('/'); slash != std::string_view::npos) {
    out.path = rest.substr(slash);
    rest = rest.substr(0, slash);
  }
  if (out.path.find('@') != std::string_view::npos || out.query.find('@') != std::string_view::npos)
    refuse_url("a '/', '?' or '@' in a password (or path) must be percent-encoded");
  if (const std::size_t at = rest.rfind('@'); at != std::string_view::npos) {
    out.has_credentials = true;
    out.credentials = rest.substr(0, at);
    rest.remove_prefix(at + 1);
  }
  out.address = rest;
  return out;
}

int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string percent_decoded(std::string_view text, const std::string& what) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
    if (high < 0 || low < 0)
      refuse_url("a '%' in the " + what + " is not followed by two hex digits");
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

/// `shown`: what is all digits may be quoted; a piece of a password it can hardly be.
int read_number(std::string_view text, int least, int most, const std::string& what, bool shown) {
  const std::string range = std::to_string(least) + " to " + std::to_string(most);
  if (text.empty()) refuse_url("the " + what + " is missing; allowed is " + range);
  const bool digits =
      std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  int value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (digits && parsed.ec == std::errc() && value >= least && value <= most) return value;
  if (digits && shown && text.size() <= max_shown_digits)
    refuse_url("the " + what + ' ' + std::string(text) + " is not allowed; allowed is " + range);
  refuse_url("the " + what + " is not a number from " + range + std::string(encode_hint));
}

std::optional<std::string> unless_empty(std::string text) {
  if (text.empty()) return std::nullopt;
  return text;
}

void read_credentials(const Split& parts, RedisUrl& url) {
  if (!parts.has_credentials) return;
  const std::size_t colon = parts.credentials.find(':');
  url.user = unless_empty(percent_decoded(parts.credentials.substr(0, colon), "user"));
  if (colon == std::string_view::npos) return;
  url.password = unless_empty(percent_decoded(parts.credentials.substr(colon + 1), "password"));
}

std::string read_ipv6(std::string_view text) {
  std::string host = percent_decoded(text, "host");
  const std::string address = host.substr(0, host.find('%'));  // without its zone
  in6_addr ignored{};
  if (::inet_pton(AF_INET6, address.c_str(), &ignored) != 1)
    refuse_url("what is in brackets is no IPv6 address");
  return host;
}

HostPort read_host(std::string_view text, int default_port, bool has_credentials) {
  HostPort out{"localhost", default_port};
  std::optional<std::string_view> port;
  std::string_view host = text;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) refuse_url("a '[' before an IPv6 address without its ']'");
    host = text.substr(1, close - 1);
    const std::string_view rest = text.substr(close + 1);
    if (!rest.empty() && rest.front() != ':')
      refuse_url("only a port may follow an IPv6 address" + std::string(encode_hint));
    if (!rest.empty()) port = rest.substr(1);
    out.host = read_ipv6(host);
  } else {
    if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
      host = text.substr(0, colon);
      port = text.substr(colon + 1);
      if (port->find(':') != std::string_view::npos)
        refuse_url("an IPv6 address must be in brackets, as in redis://[::1]:6379");
    }
    if (!host.empty()) out.host = percent_decoded(host, "host");
  }
  if (std::any_of(out.host.begin(), out.host.end(), control) ||
      out.host.find(' ') != std::string::npos)
    refuse_url("there are spaces or control characters in the host");
  // redis://:secret is a password without its host.
  if (port) out.port = read_number(*port, 1, 65535, "port", has_credentials || !host.empty());
  return out;
}

void read_hosts(const Split& parts, RedisUrl& url) {
  const bool several = url.kind != RedisKind::one_server;
  const int port = url.kind == RedisKind::sentinel ? default_sentinel_port : default_port;
  std::string_view rest = parts.address;
  if (!several && rest.find(',') != std::string_view::npos)
    refuse_url("it names several hosts; that is " + std::string(sentinel_form) +
               ", or redis+cluster://host[:port][,host...]");
  for (bool more = true; more;) {
    const std::size_t comma = several ? rest.find(',') : std::string_view::npos;
    more = comma != std::string_view::npos;
    const std::string_view one = rest.substr(0, comma);
    if (one.empty() && (more || !url.hosts.empty()))
      refuse_url("there is nothing before or behind a ',' between its hosts");
    url.hosts.push_back(read_host(one, port, parts.has_credentials));
    if (more) rest.remove_prefix(comma + 1);
  }
  if (url.hosts.size() > max_hosts)
    refuse_url("it names more than " + std::to_string(max_hosts) + " hosts");
  url.host = url.hosts.front().host;
  url.port = url.hosts.front().port;
}

/// Takes the master's name from the beginning of the path.
void read_master(std::string_view& path, RedisUrl& url) {
  std::string_view name = path.empty() ? path : path.substr(1);
  const std::size_t slash = name.find('/');
  path = slash == std::string_view::npos ? std::string_view() : name.substr(slash);
  name = name.substr(0, slash);
  if (name.empty())
    refuse_url("the name of the master is missing; allowed is " + std::string(sentinel_form));
  url.master = percent_decoded(name, "name of the master");
  const bool valid = url.master.size() <= max_master_bytes &&
                     std::all_of(url.master.begin(), url.master.end(), [](char c) {
                       return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                              (c >= 'A' && c <= 'Z') || c == '.' || c == '-' || c == '_';
                     });
  if (!valid)
    refuse_url(
        "the name of the master is not allowed; allowed are letters, digits, '.', '-' and "
        "'_'" +
        std::string(encode_hint));
}

void read_socket(const Split& parts, RedisUrl& url) {
  if (!parts.address.empty())
    refuse_url("a socket's URL has no host; allowed is unix:///path or unix://user:password@/path");
  url.unix_path = percent_decoded(parts.path, "path");
  if (url.unix_path.size() < 2 || url.unix_path.ends_with('/'))
    refuse_url("the path of a socket is missing; allowed is unix:///path");
  if (url.unix_path.size() > max_unix_path)
    refuse_url("the path of a socket is longer than " + std::to_string(max_unix_path) + " bytes");
  if (std::any_of(url.unix_path.begin(), url.unix_path.end(), control))
    refuse_url("there are control characters in the path of a socket");
}

void read_argument(std::string_view key, std::string_view value, RedisUrl& url) {
  if (key == "db") {
    const int given = read_number(value, 0, max_db, "database", true);
    if (url.db && *url.db != given) refuse_url("two different databases are given");
    url.db = given;
  } else if (key == "client_name") {
    url.client_name = unless_empty(percent_decoded(value, "client_name"));
    if (url.client_name && !valid_client_name(*url.client_name))
      refuse_url(
          "its client_name is not allowed; allowed are 1 to 64 bytes of printable ASCII "
          "without space");
  } else {
    refuse_url("there is an unknown argument behind its '?'; allowed are db and client_name" +
               std::string(encode_hint));
  }
}

void read_query(std::string_view query, RedisUrl& url) {
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    query = end == std::string_view::npos ? std::string_view() : query.substr(end + 1);
    if (pair.empty()) continue;
    const std::size_t equals = pair.find('=');
    const std::string_view value =
        equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1);
    read_argument(pair.substr(0, equals), value, url);
  }
}

}  // namespace

RedisUrl parse_redis_url(std::string_view text) {
  const Split parts = split(text);
  RedisUrl url;
  url.kind = parts.asked.kind;
  url.tls = parts.asked.tls;
  read_credentials(parts, url);
  if (parts.asked.socket) {
    read_socket(parts, url);
  } else {
    read_hosts(parts, url);
    std::string_view path = parts.path;
    if (url.kind == RedisKind::sentinel) read_master(path, url);
    if (path.size() > 1) url.db = read_number(path.substr(1), 0, max_db, "database", true);
  }
  read_query(parts.query, url);
  return url;
}

std::string why_redis_url_is_refused(std::string_view url) {
  try {
    (void)parse_redis_url(url);
  } catch (const BadRedisUrl& error) {
    return error.what();
  }
  return {};
}

std::string redact_redis_url(const std::string& url) {
  if (!why_redis_url_is_refused(url).empty()) return "(not shown)";
  const Split parts = split(url);
  std::string out = parts.scheme + std::string(separator);
  if (parts.has_credentials) out += "***@";
  runtime::text::append_escaped(out, parts.address);
  runtime::text::append_escaped(out, parts.path);
  if (!parts.query.empty()) out += "?...";
  return out;
}

bool valid_client_name(std::string_view text) {
  return !text.empty() && text.size() <= 64 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7F; });
}

}  // namespace mx_rmq::api
