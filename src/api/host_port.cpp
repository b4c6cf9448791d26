#include "api/host_port.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace mx_rmq::api {
namespace {

constexpr std::size_t max_host_bytes = 255;

bool valid_host(std::string_view host) {
  return !host.empty() && host.size() <= max_host_bytes &&
         std::all_of(host.begin(), host.end(), [](char c) {
           return c > ' ' && c < 0x7F && std::string_view(",=@/?#[]").find(c) == std::string::npos;
         });
}

bool is_ipv6(const std::string& host) {
  const std::string address = host.substr(0, host.find('%'));  // without its zone
  in6_addr ignored{};
  return ::inet_pton(AF_INET6, address.c_str(), &ignored) == 1;
}

std::optional<int> read_port(std::string_view text) {
  int port = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), port);
  const bool whole = parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
  if (!whole || port < 1 || port > 65535) return std::nullopt;
  return port;
}

}  // namespace

std::string HostPort::text() const {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::optional<HostPort> read_host_port(std::string_view text) {
  HostPort out;
  std::string_view rest;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    out.host = text.substr(1, close - 1);
    rest = text.substr(close + 1);
    if (!valid_host(out.host) || !is_ipv6(out.host)) return std::nullopt;
  } else {
    const std::size_t colon = text.find(':');
    out.host = text.substr(0, colon);
    rest = colon == std::string_view::npos ? std::string_view() : text.substr(colon);
    if (!valid_host(out.host)) return std::nullopt;
  }
  if (rest.empty()) return out;
  const auto port = rest.front() == ':' ? read_port(rest.substr(1)) : std::nullopt;
  if (!port) return std::nullopt;
  out.port = *port;
  return out;
}

}  // namespace mx_rmq::api
