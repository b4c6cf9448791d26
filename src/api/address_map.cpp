#include "api/address_map.hpp"

#include <algorithm>
#include <optional>
#include <stdexcept>

#include "runtime/text.hpp"

namespace mx_rmq::api {
namespace {

constexpr std::size_t max_shown = 100;

std::string_view without_spaces(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

[[noreturn]] void refuse(std::string_view pair, const std::string& why) {
  throw std::invalid_argument(runtime::text::quoted(pair, max_shown) +
                              " is not allowed; allowed is " + std::string(address_map_allowed) +
                              " (" + why + ")");
}

}  // namespace

AddressMap AddressMap::parse(std::string_view text) {
  AddressMap map;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    const std::string_view pair = without_spaces(text.substr(0, comma));
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos) refuse(pair, "it has no '='");
    const auto from = read_host_port(without_spaces(pair.substr(0, equals)));
    const auto to = read_host_port(without_spaces(pair.substr(equals + 1)));
    if (!from || !to) refuse(pair, "a host, or a host and a port, belongs on both sides");
    const bool twice = std::any_of(map.pairs_.begin(), map.pairs_.end(),
                                   [&](const Pair& each) { return each.from == *from; });
    if (twice) refuse(pair, "its left side is there twice");
    map.pairs_.push_back({*from, *to});
  }
  return map;
}

HostPort AddressMap::operator()(HostPort told) const {
  const Pair* best = nullptr;
  for (const Pair& each : pairs_) {
    if (each.from.host != told.host) continue;
    if (each.from.port == told.port) {
      best = &each;
      break;
    }
    if (each.from.port == 0) best = &each;
  }
  if (best == nullptr) return told;
  return {best->to.host, best->to.port != 0 ? best->to.port : told.port};
}

std::string why_address_map_is_refused(std::string_view text) {
  try {
    (void)AddressMap::parse(text);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return {};
}

}  // namespace mx_rmq::api
