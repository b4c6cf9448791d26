#include "mx_rmq/config.hpp"

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
  if (api::in_range(field, config)) return;
  const std::string value = api::show(field, config);
  refuse_field(std::string(field.name),
               (api::may_be_quoted(field) ? runtime::text::quoted(value) : value) +
                   " is not allowed; allowed is " + api::allowed_by(field));
}

/// Before the table's check: a secured URL deserves a better answer than "not allowed".
void check_scheme(const MQConfig& config) {
  if (api::url_scheme(config.redis_url) == "rediss")
    refuse_field("redis_url", std::string(api::tls_not_built_in));
}

/// A field beside the URL may repeat what the URL says, not contradict it.
void check_against_url(const MQConfig& config) {
  const api::UrlParts url = api::split_redis_url(config.redis_url);
  if (url.db && !url.db->empty()) {
    const auto db = api::parse_integer(*url.db);
    if (!db || *db < 0 || *db > 65535)
      refuse_field("redis_url", "the database " + runtime::text::quoted(*url.db) +
                                    " in it is not allowed; allowed is 0 to 65535");
    if (config.redis_db != 0 && config.redis_db != *db)
      refuse_field("redis_db", std::to_string(config.redis_db) +
                                   " contradicts redis_url, which says " + std::to_string(*db) +
                                   "; give one of them, or the same in both");
  }
  if (url.user && !config.redis_username.empty() && *url.user != config.redis_username)
    refuse_field("redis_username",
                 "it contradicts redis_url, which has another user; give one of them");
  if (url.password && !config.redis_password.empty() && *url.password != config.redis_password)
    refuse_field("redis_password",
                 "it contradicts redis_url, which has another password; give one of them");
}

}  // namespace

MQConfig::MQConfig() = default;

void MQConfig::validate() const {
  check_scheme(*this);
  for (const api::Field& field : api::config_fields()) check_own_range(field, *this);
  check_against_url(*this);
  if (reconnect_backoff_min > reconnect_backoff_max)
    refuse_field("reconnect_backoff_min", api::format_duration(reconnect_backoff_min) +
                                              " is more than reconnect_backoff_max, which is " +
                                              api::format_duration(reconnect_backoff_max));
  if (max_retries > 0 && retry_delays.empty())
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
