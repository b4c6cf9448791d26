#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mx_rmq::api {

/// A host, by name or numeric address, and a port.
struct HostPort {
  std::string host;
  int port = 0;

  /// "host:port", an IPv6 address in brackets.
  [[nodiscard]] std::string text() const;
  friend bool operator==(const HostPort&, const HostPort&) = default;
};

/// host, host:port, [v6] or [v6]:port; the port is 0 if there is none. Nothing for anything else.
[[nodiscard]] std::optional<HostPort> read_host_port(std::string_view text);

}  // namespace mx_rmq::api
