#include "api/redis_url.hpp"

#include <algorithm>

#include "api/config_values.hpp"
#include "runtime/text.hpp"

namespace mx_rmq::api {
namespace {

constexpr std::string_view separator = "://";
constexpr std::size_t max_url_bytes = 4096;

struct Split {
  std::string_view scheme, credentials, rest;
  bool has_credentials = false;
};

/// The credentials end at the last @ (a raw one in a password is common), in unix URLs at the first
/// "@/" (the path may have an @, too).
Split split(std::string_view url) {
  Split out;
  const std::size_t colon = url.find(separator);
  if (colon == std::string_view::npos) return out;
  out.scheme = url.substr(0, colon);
  out.rest = url.substr(colon + separator.size());
  std::size_t at = std::string_view::npos;
  if (out.scheme != "unix")
    at = out.rest.rfind('@');
  else if (!out.rest.starts_with('/'))
    at = out.rest.find("@/");
  if (at == std::string_view::npos) return out;
  out.has_credentials = true;
  out.credentials = out.rest.substr(0, at);
  out.rest.remove_prefix(at + 1);
  return out;
}

int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// Malformed escapes stay as they are: the connection's parser refuses them.
std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const bool escape = text[at] == '%' && at + 2 < text.size();
    const int high = escape ? hex_digit(text[at + 1]) : -1;
    const int low = escape ? hex_digit(text[at + 2]) : -1;
    if (high >= 0 && low >= 0) {
      out += static_cast<char>(high * 16 + low);
      at += 2;
    } else {
      out += text[at];
    }
  }
  return out;
}

/// host[:port][/...][?...]. A text of another form may be a password without its @, so it is not let
/// through to where it could be shown.
bool has_host(std::string_view rest) {
  std::string_view address = rest.substr(0, rest.find_first_of("/?"));
  std::string_view port;
  if (address.starts_with('[')) {
    const std::size_t end = address.find(']');
    if (end == std::string_view::npos || end == 1) return false;
    port = address.substr(end + 1);
    address = address.substr(1, end - 1);
  } else if (const std::size_t colon = address.find(':'); colon != std::string_view::npos) {
    port = address.substr(colon);
    address = address.substr(0, colon);
  }
  const auto host_character = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view(".-_:%").find(c) != std::string_view::npos;
  };
  if (address.empty() || !std::all_of(address.begin(), address.end(), host_character)) return false;
  if (port.empty()) return true;
  const auto number = port.front() == ':' ? parse_integer(port.substr(1)) : std::nullopt;
  return number && *number >= 1 && *number <= 65535;
}

/// The value of `db` in "a=1&db=2".
std::optional<std::string> db_in_query(std::string_view query) {
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    if (pair.starts_with("db=")) return std::string(pair.substr(3));
    if (end == std::string_view::npos) break;
    query.remove_prefix(end + 1);
  }
  return std::nullopt;
}

}  // namespace

std::string_view url_scheme(std::string_view url) { return split(url).scheme; }

bool valid_redis_url(std::string_view url) {
  const Split parts = split(url);
  const bool clean = std::none_of(url.begin(), url.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
  });
  if (!clean || url.size() > max_url_bytes) return false;
  if (parts.scheme == "redis") return has_host(parts.rest);
  return parts.scheme == "unix" && parts.rest.size() > 1 && parts.rest.front() == '/';
}

UrlParts split_redis_url(std::string_view url) {
  UrlParts out;
  const Split parts = split(url);
  if (parts.has_credentials) {
    const std::size_t colon = parts.credentials.find(':');
    const std::string_view user = parts.credentials.substr(0, colon);
    if (!user.empty()) out.user = percent_decoded(user);
    if (colon != std::string_view::npos)
      out.password = percent_decoded(parts.credentials.substr(colon + 1));
  }
  std::string_view rest = parts.rest;
  if (const std::size_t query = rest.find('?'); query != std::string_view::npos) {
    out.db = db_in_query(rest.substr(query + 1));
    rest = rest.substr(0, query);
  }
  const std::size_t slash = rest.find('/');
  if (parts.scheme == "redis" && slash != std::string_view::npos && slash + 1 < rest.size())
    out.db = std::string(rest.substr(slash + 1));
  return out;
}

std::string redact_redis_url(const std::string& url) {
  const Split parts = split(url);
  if (!valid_redis_url(url) && !parts.has_credentials) return "(not shown)";
  std::string out;
  runtime::text::append_escaped(out, parts.scheme);
  out += separator;
  if (parts.has_credentials) out += "***@";
  const std::size_t query = parts.rest.find('?');
  runtime::text::append_escaped(out, parts.rest.substr(0, query));
  if (query != std::string_view::npos) out += "?...";
  return out;
}

}  // namespace mx_rmq::api
