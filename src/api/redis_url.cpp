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
constexpr std::size_t max_shown_digits = 10;
constexpr std::string_view encode_hint =
    " (a '/', '?', '#' or '@' in a password must be percent-encoded)";

[[noreturn]] void refuse_url(const std::string& why) { throw BadRedisUrl(why); }

/// The parts as written.
struct Split {
  std::string scheme;  // in lower case
  std::string_view credentials, address, path, query;
  bool has_credentials = false;
};

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

[[noreturn]] void refuse_scheme(const std::string& scheme) {
  const std::string named = runtime::text::quoted(scheme, 32);
  if (scheme == "rediss" || scheme == "valkeys")
    refuse_url(scheme +
               ":// (TLS) is not built in, and it is never replaced by an unencrypted connection: "
               "build mx_rmq with OpenSSL 3 for it; allowed are redis:// and unix://");
  const std::string allowed = "; allowed are redis:// and unix://";
  if (scheme.find("sentinel") != std::string::npos)
    refuse_url("the scheme " + named + " asks for Sentinel, which is not built in" + allowed);
  if (scheme.find("cluster") != std::string::npos)
    refuse_url("the scheme " + named + " asks for Redis Cluster, which is not built in" + allowed);
  refuse_url("the scheme " + named + " is not supported" + allowed);
}

bool control(char c) noexcept { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

Split split(std::string_view url) {
  Split out;
  const std::size_t colon = url.find(separator);
  if (colon != std::string_view::npos) out.scheme = lower(url.substr(0, colon));
  if (out.scheme.empty() ||
      out.scheme.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789+.-") != std::string::npos)
    refuse_url("it has no scheme; allowed are redis:// and unix://");
  if (out.scheme != "redis" && out.scheme != "unix" && !(out.scheme == "rediss" && tls_built_in()))
    refuse_scheme(out.scheme);
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

void read_ipv6(std::string_view text, RedisUrl& url) {
  url.host = percent_decoded(text, "host");
  const std::string address = url.host.substr(0, url.host.find('%'));  // without its zone
  in6_addr ignored{};
  if (::inet_pton(AF_INET6, address.c_str(), &ignored) != 1)
    refuse_url("what is in brackets is no IPv6 address");
}

void read_address(const Split& parts, RedisUrl& url) {
  const std::string_view text = parts.address;
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
    read_ipv6(host, url);
  } else {
    if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
      host = text.substr(0, colon);
      port = text.substr(colon + 1);
      if (port->find(':') != std::string_view::npos)
        refuse_url("an IPv6 address must be in brackets, as in redis://[::1]:6379");
    }
    if (!host.empty()) url.host = percent_decoded(host, "host");
  }
  if (std::any_of(url.host.begin(), url.host.end(), control) ||
      url.host.find(' ') != std::string::npos)
    refuse_url("there are spaces or control characters in the host");
  // redis://:secret is a password without its host.
  if (port) url.port = read_number(*port, 1, 65535, "port", parts.has_credentials || !host.empty());
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
  read_credentials(parts, url);
  if (parts.scheme == "unix") {
    read_socket(parts, url);
  } else {
    url.tls = parts.scheme == "rediss";
    read_address(parts, url);
    if (parts.path.size() > 1)
      url.db = read_number(parts.path.substr(1), 0, max_db, "database", true);
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
