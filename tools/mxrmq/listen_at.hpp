#pragma once

#include <cstdint>
#include <string>

namespace mxrmq {

/// Where to listen.
struct ListenAt {
  std::string address;
  std::uint16_t port = 0;
};

/// "127.0.0.1:9476", "[::1]:9476", "0.0.0.0:0". Throws std::invalid_argument naming `what`.
[[nodiscard]] ListenAt parse_listen(const std::string& what, const std::string& text);

/// An address as it stands in a URL.
[[nodiscard]] std::string url_host(const std::string& address);

}  // namespace mxrmq
