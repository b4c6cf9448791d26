#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/host_port.hpp"

namespace mx_rmq::api {

inline constexpr std::string_view address_map_allowed =
    "host[:port]=host[:port], several separated by commas";

/// Where servers are seen from here, by where they say they are: MQConfig::redis_address_map. Of
/// what Sentinels and the nodes of a Cluster tell everything goes through it; what it does not name
/// stays as it is.
class AddressMap {
 public:
  AddressMap() = default;
  /// Pairs "from=to" separated by commas. A `from` without a port stands for all ports of the host,
  /// where no other one names the port; a `to` without a port keeps it. Throws
  /// std::invalid_argument, naming what is wrong.
  [[nodiscard]] static AddressMap parse(std::string_view text);

  [[nodiscard]] HostPort operator()(HostPort told) const;
  [[nodiscard]] bool empty() const noexcept { return pairs_.empty(); }

 private:
  struct Pair {
    HostPort from, to;  // port 0: any, or the same
  };
  std::vector<Pair> pairs_;
};

/// Why AddressMap::parse refuses the text; empty if it does not.
[[nodiscard]] std::string why_address_map_is_refused(std::string_view text);

}  // namespace mx_rmq::api
