#include "mx_rmq/config.hpp"

#include <optional>
#include <string>

#include "api/config_fields.hpp"
#include "api/config_values.hpp"
#include "api/redis_url.hpp"
#include "mx_rmq/errors.hpp"
#include "runtime/text.hpp"

namespace mx_rmq {
namespace {

[[noreturn]] void refuse_field(const std::string& field, const std::string& why) {
  throw ConfigError(field + ": " + why);
}

void check_own_range(const api::Field& field, const MQConfig& config) {
  if (!api::in_range(field, config))
    refuse_field(std::string(field.name), api::why_not(field, config, ""));
}

void check_text_against_url(const char* field, const std::string& value,
                            const std::optional<std::string>& in_url, const char* what) {
  if (in_url && !value.empty() && *in_url != value)
    refuse_field(field, std::string("it contradicts redis_url, which has another ") + what +
                            "; give one of them");
}

/// A field beside the URL may repeat what the URL says, not contradict it.
void check_against_url(const MQConfig& config) {
  const api::RedisUrl url = api::parse_redis_url(config.redis_url);
  if (url.db && config.redis_db != 0 && config.redis_db != *url.db)
    refuse_field("redis_db", std::to_string(config.redis_db) +
                                 " contradicts redis_url, which says " + std::to_string(*url.db) +
                                 "; give one of them, or the same in both");
  check_text_against_url("redis_username", config.redis_username, url.user, "user");
  check_text_against_url("redis_password", config.redis_password, url.password, "password");
  if (config.client_name != MQConfig().client_name)
    check_text_against_url("client_name", config.client_name, url.client_name, "name");
}

/// A field that says something about TLS where there is none would be a belief, not a setting.
void check_tls(const MQConfig& config) {
  const bool tls = api::parse_redis_url(config.redis_url).tls;
  const auto only_with_tls = [&](const char* field, bool given) {
    if (given && !tls)
      refuse_field(field, "it is set, but redis_url does not ask for TLS; write rediss:// there");
  };
  only_with_tls("tls_ca_file", !config.tls_ca_file.empty());
  only_with_tls("tls_ca_dir", !config.tls_ca_dir.empty());
  only_with_tls("tls_cert_file", !config.tls_cert_file.empty());
  only_with_tls("tls_key_file", !config.tls_key_file.empty());
  only_with_tls("tls_server_name", !config.tls_server_name.empty());
  only_with_tls("tls_verify", !config.tls_verify);
  if (!config.tls_key_file.empty() && config.tls_cert_file.empty())
    refuse_field("tls_key_file", "it is set without tls_cert_file; a key is that of a certificate");
  if (!config.tls_verify && !(config.tls_ca_file.empty() && config.tls_ca_dir.empty()))
    refuse_field("tls_verify",
                 "it is false, so that anybody is trusted, and tls_ca_file or tls_ca_dir says who; "
                 "give one of them");
}

}  // namespace

MQConfig::MQConfig() = default;

void MQConfig::validate() const {
  for (const api::Field& field : api::config_fields()) check_own_range(field, *this);
  check_against_url(*this);
  check_tls(*this);
  if (reconnect_backoff_min > reconnect_backoff_max)
    refuse_field("reconnect_backoff_min", api::format_duration(reconnect_backoff_min) +
                                              " is more than reconnect_backoff_max, which is " +
                                              api::format_duration(reconnect_backoff_max));
  if (wait_replicas > 0 && wait_replicas_timeout >= produce_timeout)
    refuse_field("wait_replicas_timeout", api::format_duration(wait_replicas_timeout) +
                                              " is not less than produce_timeout, which is " +
                                              api::format_duration(produce_timeout));
  const bool listed = retry_policy.rules().pauses == detail::RetryRules::Pauses::listed;
  if (max_retries > 0 && retry_delays.empty() && listed)
    refuse_field("retry_delays", "it is empty though max_retries is " +
                                     std::to_string(max_retries) +
                                     "; allowed is at least one duration, or max_retries = 0");
}

std::string MQConfig::describe() const {
  std::string out;
  for (const api::Field& field : api::config_fields()) {
    out += std::string(field.name) + " = ";
    runtime::text::append_escaped(out, api::show(field, *this));
    out += '\n';
  }
  return out;
}

}  // namespace mx_rmq
