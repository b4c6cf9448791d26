#include "queue/client_options.hpp"

#include <algorithm>
#include <span>
#include <vector>

#include "broker/topic_broker.hpp"
#include "mx_rmq_scripts.hpp"

namespace mx_rmq::queue {

namespace {

// All but those that are hardly ever called: audit by tests and operators, the others when settings
// of a topic change. They are loaded when they are called.
std::span<const lua::Script* const> loaded_at_set_up() {
  static const std::vector<const lua::Script*> scripts = [] {
    std::vector<const lua::Script*> all(lua::all().begin(), lua::all().end());
    for (const lua::Script* const seldom :
         {&lua::audit, &lua::settings, &lua::configure, &lua::copy_settings}) {
      std::erase(all, seldom);
    }
    return all;
  }();
  return scripts;
}

redis::TlsOptions tls_options(const MQConfig& config) {
  redis::TlsOptions tls;
  tls.ca_file = config.tls_ca_file;
  tls.ca_dir = config.tls_ca_dir;
  tls.cert_file = config.tls_cert_file;
  tls.key_file = config.tls_key_file;
  tls.server_name = config.tls_server_name;
  tls.verify = config.tls_verify;
  return tls;
}

}  // namespace

redis::ClientOptions client_options(const MQConfig& config, std::size_t lanes) {
  redis::ClientOptions options;
  options.endpoint = redis::parse_url(config.redis_url);
  if (config.redis_db != 0) options.endpoint.db = config.redis_db;
  if (!config.redis_username.empty()) options.endpoint.user = config.redis_username;
  if (!config.redis_password.empty())
    options.endpoint.password = redis::Secret(config.redis_password);
  if (options.endpoint.client_name.empty()) options.endpoint.client_name = config.client_name;
  if (options.endpoint.tls) options.connection.tls = tls_options(config);
  options.address_map = api::AddressMap::parse(config.redis_address_map);
  options.sentinel_user = config.sentinel_username;
  options.sentinel_password = redis::Secret(config.sentinel_password);
  options.connection.connect_timeout = config.connect_timeout;
  options.connection.backoff_min = config.reconnect_backoff_min;
  options.connection.backoff_max = config.reconnect_backoff_max;
  options.connection.stall_timeout = config.command_timeout;
  // A batch of the biggest payloads has to fit.
  options.connection.max_queued_bytes =
      std::max(options.connection.max_queued_bytes, 4 * config.max_payload_bytes);
  options.pool_size = std::max<std::size_t>(1, lanes);
  options.scripts = loaded_at_set_up();
  return options;
}

}  // namespace mx_rmq::queue
