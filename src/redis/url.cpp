#include <charconv>
#include <limits>
#include <optional>

#include "mx_rmq/errors.hpp"
#include "redis/options.hpp"
#include "runtime/text.hpp"

// Nothing of the URL but its scheme is ever quoted in an error: with a '/', '@' or '?' in a password
// that was not percent-encoded, a piece of it may turn up in any other part.
namespace mx_rmq::redis {

namespace {

constexpr std::size_t max_unix_path = 107;  // sockaddr_un

[[noreturn]] void refuse(const std::string& why) { throw ConfigError("redis_url: " + why); }

int hex(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string decode(std::string_view text, const std::string& what) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex(text[i + 2]) : -1;
    if (high < 0 || low < 0) refuse("a '%' in the " + what + " is not followed by two hex digits");
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

// Printable and without spaces, which no host, path or name needs and a log line would choke on.
bool plain(std::string_view text, bool spaces) noexcept {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f || (byte == ' ' && !spaces)) return false;
  }
  return true;
}

int number(std::string_view text, int min, int max, const std::string& what) {
  int value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || value < min ||
      value > max) {
    refuse("the " + what + " is not a number from " + std::to_string(min) + " to " +
           std::to_string(max) + " (a '/', '?', '#' or '@' in a password must be percent-encoded)");
  }
  return value;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

void read_credentials(std::string_view text, ConnectOptions& options) {
  const std::size_t colon = text.find(':');
  options.user = decode(text.substr(0, colon), "user");
  if (colon != std::string_view::npos) {
    options.password = Secret(decode(text.substr(colon + 1), "password"));
  }
}

void read_host(std::string_view text, ConnectOptions& options) {
  std::string_view host = text;
  std::optional<std::string_view> port;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) refuse("a '[' before an IPv6 address without its ']'");
    host = text.substr(1, close - 1);
    if (host.find(':') == std::string_view::npos) refuse("what is in brackets is no IPv6 address");
    const std::string_view rest = text.substr(close + 1);
    if (!rest.empty() && rest.front() != ':') refuse("only a port may follow an IPv6 address");
    if (!rest.empty()) port = rest.substr(1);
  } else if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
    if (port->find(':') != std::string_view::npos) {
      refuse("an IPv6 address is written in brackets, redis://[::1]:6379");
    }
  }
  if (!host.empty()) options.host = decode(host, "host");
  if (!plain(options.host, false)) refuse("the host holds spaces or control characters");
  if (port) options.port = number(*port, 1, 65535, "port");
}

void read_query(std::string_view query, ConnectOptions& options, std::optional<int>& db) {
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    query = end == std::string_view::npos ? std::string_view() : query.substr(end + 1);
    if (pair.empty()) continue;
    const std::size_t equals = pair.find('=');
    const std::string_view key = pair.substr(0, equals);
    const std::string_view value =
        equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1);
    if (key == "db") {
      const int given = number(value, 0, std::numeric_limits<int>::max(), "database");
      if (db && *db != given) refuse("two different databases are given");
      db = given;
    } else if (key == "client_name") {
      options.client_name = decode(value, "client_name");
      if (!plain(options.client_name, false)) {
        refuse("client_name holds spaces or control characters");
      }
    } else {
      refuse("unknown argument after '?'; there are db and client_name");
    }
  }
}

ConnectOptions read_tcp(std::string_view authority, std::string_view path, std::string_view query) {
  ConnectOptions options;
  if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) {
    read_credentials(authority.substr(0, at), options);
    authority.remove_prefix(at + 1);
  }
  read_host(authority, options);
  std::optional<int> db;
  if (path.size() > 1) {
    db = number(path.substr(1), 0, std::numeric_limits<int>::max(), "database");
  }
  read_query(query, options, db);
  options.db = db.value_or(0);
  return options;
}

ConnectOptions read_unix(std::string_view authority, std::string_view path,
                         std::string_view query) {
  ConnectOptions options;
  if (!authority.empty()) {
    if (!authority.ends_with('@')) {
      refuse("a socket's URL has no host: unix:///path or unix://user:password@/path");
    }
    read_credentials(authority.substr(0, authority.size() - 1), options);
  }
  options.unix_path = decode(path, "path");
  if (options.unix_path.size() < 2 || options.unix_path.ends_with('/')) {
    refuse("the path of a socket is missing: unix:///path");
  }
  if (options.unix_path.size() > max_unix_path) {
    refuse("the path of a socket is longer than " + std::to_string(max_unix_path) + " bytes");
  }
  if (!plain(options.unix_path, true)) refuse("the path of a socket holds control characters");
  std::optional<int> db;
  read_query(query, options, db);
  options.db = db.value_or(0);
  return options;
}

[[noreturn]] void refuse_scheme(const std::string& scheme) {
  const std::string supported = "; supported are redis:// and unix://";
  const std::string named = runtime::text::quoted(scheme, 32);
  if (scheme == "rediss" || scheme == "valkeys") {
    refuse("the scheme " + named +
           " asks for TLS, which is not built in, and no connection is made without it" +
           supported);
  }
  if (scheme.find("sentinel") != std::string::npos) {
    refuse("the scheme " + named + " asks for Sentinel, which is not built in" + supported);
  }
  if (scheme.find("cluster") != std::string::npos) {
    refuse("the scheme " + named + " asks for Redis Cluster, which is not built in" + supported);
  }
  refuse("the scheme " + named + " is not supported" + supported);
}

}  // namespace

std::string ConnectOptions::address() const {
  if (!unix_path.empty()) return "unix:" + unix_path;
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

ConnectOptions parse_url(std::string_view url) {
  const std::size_t colon = url.find("://");
  if (colon == std::string_view::npos || colon == 0) {
    refuse("it has no scheme; supported are redis:// and unix://");
  }
  const std::string scheme = lower(url.substr(0, colon));
  if (scheme.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789+.-") != std::string::npos) {
    refuse("it has no scheme; supported are redis:// and unix://");
  }
  if (scheme != "redis" && scheme != "unix") refuse_scheme(scheme);

  std::string_view rest = url.substr(colon + 3);
  if (rest.find('#') != std::string_view::npos) {
    refuse("a '#' has no meaning here (in a password it must be percent-encoded)");
  }
  std::string_view query;
  if (const std::size_t mark = rest.find('?'); mark != std::string_view::npos) {
    query = rest.substr(mark + 1);
    rest = rest.substr(0, mark);
  }
  const std::size_t slash = rest.find('/');
  const std::string_view authority = rest.substr(0, slash);
  const std::string_view path = slash == std::string_view::npos ? "" : rest.substr(slash);
  if (path.find('@') != std::string_view::npos || query.find('@') != std::string_view::npos) {
    refuse("a '/', '?' or '@' in a password (or path) must be percent-encoded");
  }
  return scheme == "unix" ? read_unix(authority, path, query) : read_tcp(authority, path, query);
}

}  // namespace mx_rmq::redis
