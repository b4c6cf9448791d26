#include "api/redis_url.hpp"

#include <algorithm>

#include "api/config_values.hpp"
#include "runtime/text.hpp"

namespace mx_rmq::api {
namespace {

constexpr std::string_view separator = "://";
constexpr std::size_t max_url_bytes = 4096;

/// The parts as written. Not well_formed: they are not to be trusted, nor shown, as a piece of a
/// password that was not percent-encoded may be anywhere.
struct Split {
  std::string scheme;  // in lower case
  std::string_view credentials, address, path, query;
  bool has_credentials = false;
  bool well_formed = false;
};

Split split(std::string_view url) {
  Split out;
  const std::size_t colon = url.find(separator);
  if (colon == std::string_view::npos) return out;
  out.scheme = url.substr(0, colon);
  for (char& c : out.scheme)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  std::string_view rest = url.substr(colon + separator.size());
  if (const std::size_t mark = rest.find('?'); mark != std::string_view::npos) {
    out.query = rest.substr(mark + 1);
    rest = rest.substr(0, mark);
  }
  if (const std::size_t slash = rest.find('/'); slash != std::string_view::npos) {
    out.path = rest.substr(slash);
    rest = rest.substr(0, slash);
  }
  if (const std::size_t at = rest.rfind('@'); at != std::string_view::npos) {
    out.has_credentials = true;
    out.credentials = rest.substr(0, at);
    rest.remove_prefix(at + 1);
  }
  out.address = rest;
  out.well_formed = url.find('#') == std::string_view::npos &&
                    out.path.find('@') == std::string_view::npos &&
                    out.query.find('@') == std::string_view::npos;
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

/// [host][:port], where an IPv6 host is in brackets.
bool valid_address(std::string_view address) {
  std::string_view port;
  if (address.starts_with('[')) {
    const std::size_t end = address.find(']');
    if (end == std::string_view::npos || address.substr(0, end).find(':') == std::string_view::npos)
      return false;
    port = address.substr(end + 1);
  } else if (const std::size_t colon = address.find(':'); colon != std::string_view::npos) {
    port = address.substr(colon);
  }
  if (address.find(' ') != std::string_view::npos) return false;
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

std::string url_scheme(std::string_view url) { return split(url).scheme; }

bool valid_redis_url(std::string_view url) {
  const Split parts = split(url);
  const bool clean = std::none_of(url.begin(), url.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
  });
  if (!parts.well_formed || !clean || url.size() > max_url_bytes) return false;
  if (parts.scheme == "redis") return valid_address(parts.address);
  return parts.scheme == "unix" && parts.address.empty() && parts.path.size() > 1;
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
  out.db = db_in_query(parts.query);
  if (parts.scheme == "redis" && parts.path.size() > 1) out.db = std::string(parts.path.substr(1));
  return out;
}

std::string redact_redis_url(const std::string& url) {
  if (!valid_redis_url(url)) return "(not shown)";
  const Split parts = split(url);
  std::string out = parts.scheme + std::string(separator);
  if (parts.has_credentials) out += "***@";
  runtime::text::append_escaped(out, parts.address);
  runtime::text::append_escaped(out, parts.path);
  if (!parts.query.empty()) out += "?...";
  return out;
}

}  // namespace mx_rmq::api
