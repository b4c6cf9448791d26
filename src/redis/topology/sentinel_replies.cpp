#include "redis/topology/sentinel_replies.hpp"

#include <charconv>
#include <string>

namespace mx_rmq::redis {

namespace {

// A Sentinel knows of a few others; a reply with more is none.
constexpr std::size_t most_told = 1000;

bool holds_text(const Reply& reply) noexcept {
  return reply.kind() == Reply::Kind::string || reply.kind() == Reply::Kind::status;
}

template <class Number>
std::optional<Number> read_number(std::string_view text) {
  Number value{};
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<api::HostPort> address_of(std::string_view host, std::string_view port) {
  const auto number = read_number<int>(port);
  if (!number) return std::nullopt;
  const bool v6 = host.find(':') != std::string_view::npos;
  std::string text = v6 ? "[" + std::string(host) + "]" : std::string(host);
  text += ":" + std::to_string(*number);
  return api::read_host_port(text);
}

// The value of a name in an array of names and values.
std::optional<std::string_view> field(const Reply& reply, std::string_view name) {
  if (!reply.is_array()) return std::nullopt;
  const std::vector<Reply>& items = reply.as_array();
  for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
    if (!holds_text(items[i]) || !holds_text(items[i + 1])) continue;
    if (items[i].as_string() == name) return items[i + 1].as_string();
  }
  return std::nullopt;
}

}  // namespace

std::optional<api::HostPort> read_master_address(const Reply& reply) {
  if (!reply.is_array() || reply.size() != 2) return std::nullopt;
  if (!holds_text(reply.at(0)) || !holds_text(reply.at(1))) return std::nullopt;
  return address_of(reply.at(0).as_string(), reply.at(1).as_string());
}

std::optional<std::uint64_t> read_config_epoch(const Reply& reply) {
  const auto text = field(reply, "config-epoch");
  return text ? read_number<std::uint64_t>(*text) : std::nullopt;
}

std::vector<api::HostPort> read_sentinels(const Reply& reply) {
  std::vector<api::HostPort> out;
  if (!reply.is_array() || reply.size() > most_told) return out;
  for (const Reply& each : reply.as_array()) {
    const auto host = field(each, "ip");
    const auto port = field(each, "port");
    if (!host || !port) continue;
    if (const auto address = address_of(*host, *port)) out.push_back(*address);
  }
  return out;
}

bool tells_switch(std::string_view message, std::string_view name) {
  return message.starts_with(name) && message.substr(name.size()).starts_with(' ');
}

bool tells_promotion(std::string_view message, std::string_view name) {
  const std::size_t at = message.find(" @ ");
  return at != std::string_view::npos && tells_switch(message.substr(at + 3), name);
}

}  // namespace mx_rmq::redis
