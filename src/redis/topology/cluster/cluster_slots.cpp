#include "redis/topology/cluster/cluster_slots.hpp"

#include <charconv>
#include <cstdint>
#include <string>
#include <utility>

#include "redis/topology/cluster/slot.hpp"
#include "redis/wire/protocol_error.hpp"

namespace mx_rmq::redis {

namespace {

constexpr std::string_view not_known = "?";
constexpr std::size_t longest_host = 255;
constexpr int most_ports = 65535;

bool tells_text(const Reply& reply) noexcept {
  return reply.kind() == Reply::Kind::string || reply.kind() == Reply::Kind::status;
}

bool is_slot(std::int64_t number) noexcept { return number >= 0 && number < slot_count; }

// A name that can be looked up: what a node tells is looked up as it is.
bool is_host(std::string_view text) noexcept {
  if (text.empty() || text.size() > longest_host || text == not_known) return false;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) <= ' ' || c == 0x7F) return false;
  }
  return true;
}

std::optional<int> read_int(std::string_view text) noexcept {
  int value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

// The IP address among the further facts of a node (Redis 7): a flat list of names and values.
std::string ip_in(const Reply& facts) {
  if (!facts.is_array()) return {};
  const std::vector<Reply>& items = facts.as_array();
  for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
    if (tells_text(items[i]) && items[i].as_string() == "ip" && tells_text(items[i + 1])) {
      return items[i + 1].as_string();
    }
  }
  return {};
}

std::optional<api::HostPort> read_node(const Reply& node, const api::HostPort& asked) {
  if (!node.is_array() || node.size() < 2 || node.at(1).kind() != Reply::Kind::integer) {
    throw ProtocolError("CLUSTER SLOTS names a node in words that nobody knows: " +
                        node.describe());
  }
  const std::int64_t port = node.at(1).as_integer();
  std::string host;
  // Nothing, in whatever form: the host that was asked.
  if (node.at(0).is_nil() || (tells_text(node.at(0)) && node.at(0).as_string().empty())) {
    host = asked.host;
  } else if (tells_text(node.at(0))) {
    host = node.at(0).as_string();
  }
  if (host == not_known && node.size() >= 4) host = ip_in(node.at(3));
  if (!is_host(host) || port <= 0 || port > most_ports) return std::nullopt;
  return api::HostPort{std::move(host), static_cast<int>(port)};
}

}  // namespace

std::vector<SlotRange> read_cluster_slots(const Reply& reply, const api::HostPort& asked) {
  std::vector<SlotRange> ranges;
  for (const Reply& each : reply.as_array()) {
    if (!each.is_array() || each.size() < 2) {
      throw ProtocolError("CLUSTER SLOTS was answered with " + each.describe());
    }
    const std::int64_t first = each.at(0).as_integer();
    const std::int64_t last = each.at(1).as_integer();
    if (!is_slot(first) || !is_slot(last) || first > last) continue;
    SlotRange range{static_cast<int>(first), static_cast<int>(last), {}, false};
    if (each.size() >= 3) {
      range.master = read_node(each.at(2), asked);
      range.by_redis_7 = each.at(2).size() >= 4;
    }
    ranges.push_back(std::move(range));
  }
  return ranges;
}

std::optional<Redirect> read_redirect(std::string_view text, const api::HostPort& asked) {
  Redirect redirect;
  if (text.starts_with("ASK ")) {
    redirect.ask = true;
    text.remove_prefix(4);
  } else if (text.starts_with("MOVED ")) {
    text.remove_prefix(6);
  } else {
    return std::nullopt;
  }
  const std::size_t space = text.find(' ');
  const auto slot = read_int(text.substr(0, space));
  if (space == std::string_view::npos || !slot || !is_slot(*slot)) return std::nullopt;
  redirect.slot = *slot;
  const std::string_view address = text.substr(space + 1);
  const std::size_t colon = address.rfind(':');  // an IPv6 address has more of them
  if (colon == std::string_view::npos) return redirect;
  std::string_view host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  if (host.empty()) host = asked.host;
  const auto port = read_int(address.substr(colon + 1));
  if (port && *port > 0 && *port <= most_ports && is_host(host)) {
    redirect.to = api::HostPort{std::string(host), *port};
  }
  return redirect;
}

}  // namespace mx_rmq::redis
