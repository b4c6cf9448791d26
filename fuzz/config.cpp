// Redis URLs and configurations, as users and environments give them.
//
// Input: a URL, then lines NAME=value.
#include <string>

#include "api/address_map.hpp"
#include "api/config_env.hpp"
#include "api/config_values.hpp"
#include "api/redis_url.hpp"
#include "fuzz.hpp"
#include "mx_rmq/config.hpp"
#include "mx_rmq/errors.hpp"
#include "redis/connection/options.hpp"

using namespace mx_rmq;
using fuzz::require;

namespace {

// If this is a password, or in one, and nowhere else, nothing may show it.
constexpr std::string_view secret = "hunter2secret";

bool shows(std::string_view text) { return text.find(secret) != std::string_view::npos; }
// A scheme may be shown.
bool once_behind_the_scheme(std::string_view url) {
  const std::size_t at = url.find(secret);
  return at != std::string_view::npos && url.find(secret, at + 1) == std::string_view::npos &&
         at > url.find("://");
}

std::string refused_by_validate(const std::string& url) {
  MQConfig config;
  config.redis_url = url;
  try {
    config.validate();
  } catch (const ConfigError& error) {
    return error.what();
  }
  return {};
}

void check_url(const std::string& url) {
  const std::string refusal = refused_by_validate(url);
  try {
    const redis::Endpoint options = redis::parse_url(url);
    require(refusal.empty(), "what a connection takes is valid");
    const bool hidden = once_behind_the_scheme(url) && shows(options.password.reveal());
    if (hidden) require(!shows(api::redact_redis_url(url)), "a shown URL has no password");
    require(options.hosts.empty() != options.unix_path.empty(), "hosts, or a socket");
    require(options.port >= 1 && options.port <= 65535, "a port is one");
    require(options.db >= 0, "a database's number is not negative");
    require(!options.address().empty(), "an address can be shown");
    if (hidden) require(!shows(options.address()), "an address has no password");
  } catch (const ConfigError& error) {
    require(refusal == error.what(), "what a connection refuses is not valid");
    if (once_behind_the_scheme(url)) {
      require(!shows(error.what()), "an error does not tell what a URL holds");
      require(!shows(api::redact_redis_url(url)), "what is refused is not shown");
    }
  }
}

void check_config(const std::string& url, fuzz::Input input) {
  api::Variables variables{{"REDIS_URL", url}};
  while (!input.empty()) {
    const std::string_view line = input.line();
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    variables.emplace(line.substr(0, equals), line.substr(equals + 1));
  }
  try {
    const MQConfig config = api::config_from(variables);
    config.validate();
    const std::string shown = config.describe();
    require(!shown.empty(), "a configuration can be shown");
    const bool hidden = shows(config.redis_password) && !shows(config.redis_url) &&
                        !shows(config.redis_username) && !shows(config.queue_prefix) &&
                        !shows(config.client_name) && !shows(config.sentinel_username) &&
                        !shows(config.redis_address_map);
    if (hidden) require(!shows(shown), "a shown configuration has no password");
  } catch (const ConfigError& error) {
    require(std::string_view(error.what()).size() > 0, "a refusal says why");
  }
}

void check_values(std::string_view text) {
  if (const auto value = api::parse_duration(text)) {
    require(api::parse_duration(api::format_duration(*value)) == value,
            "a duration is read as it was written");
  }
  if (const auto values = api::parse_durations(text)) {
    require(api::parse_durations(api::format_durations(*values)) == values,
            "durations are read as they were written");
  }
  if (api::why_address_map_is_refused(text).empty()) {
    const api::HostPort mapped = api::AddressMap::parse(text)({"h", 1});
    require(!mapped.host.empty() && mapped.port >= 1 && mapped.port <= 65535,
            "an address is mapped to one");
  }
  if (const auto value = api::parse_integer(text)) {
    require(api::parse_integer(std::to_string(*value)) == value,
            "a number is read as it was written");
  }
  (void)api::parse_bool(text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::string url(input.line());
  check_url(url);
  check_values(url);
  check_config(url, input);
  return 0;
}
