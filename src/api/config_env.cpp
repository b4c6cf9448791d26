#include "api/config_env.hpp"

#include <unistd.h>

#include <algorithm>
#include <string_view>

#include "api/config_fields.hpp"
#include "api/config_values.hpp"
#include "api/redis_url.hpp"
#include "mx_rmq/errors.hpp"
#include "runtime/text.hpp"

namespace mx_rmq::api {
namespace {

constexpr std::string_view prefix = "MQ_";

[[noreturn]] void refuse_variable(const std::string& variable, const std::string& why) {
  throw ConfigError(variable + ": " + why);
}

/// How a value has to be written, for the reader of an error.
std::string form_of(const Field& field) {
  struct Form {
    std::string operator()(const BoolField&) const {
      return "true, false, 1, 0, yes, no, on or off";
    }
    std::string operator()(const DurationField&) const {
      return "seconds, or a number with ms, s, m, h or d";
    }
    std::string operator()(const DurationsField&) const {
      return "durations separated by commas: seconds, or a number with ms, s, m, h or d";
    }
    std::string operator()(const TextField&) const { return "text"; }
    std::string operator()(const IntField&) const { return "a whole number"; }
    std::string operator()(const CountField&) const { return "a whole number"; }
    std::string operator()(const BytesField&) const { return "a whole number"; }
  };
  return std::visit(Form{}, field.kind);
}

void set(const Field& field, const std::string& variable, const std::string& value,
         MQConfig& config) {
  if (parse(field, value, config) && in_range(field, config)) return;
  if (field.name == "redis_url" && url_scheme(value) == "rediss")
    refuse_variable(variable, std::string(tls_not_built_in));
  const std::string shown =
      may_be_quoted(field) ? runtime::text::quoted(value) : std::string("the value");
  refuse_variable(
      variable, shown + " is not allowed; allowed is " + form_of(field) + ", " + allowed_by(field));
}

/// redis://host:port from REDIS_HOST and REDIS_PORT; nothing if neither is set.
void set_host_and_port(const Variables& variables, MQConfig& config) {
  const auto host = variables.find("REDIS_HOST");
  const auto port = variables.find("REDIS_PORT");
  if (host == variables.end() && port == variables.end()) return;
  std::string name = host == variables.end() ? "localhost" : host->second;
  const bool clean =
      !name.empty() && name.size() <= 255 && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               std::string_view(".-_:").find(c) != std::string_view::npos;
      });
  if (!clean)
    refuse_variable("REDIS_HOST",
                    runtime::text::quoted(name) +
                        " is not allowed; allowed is a host name or an address (a URL goes "
                        "into REDIS_URL)");
  if (name.find(':') != std::string::npos) name = '[' + name + ']';
  std::int64_t number = 6379;
  if (port != variables.end()) {
    const auto parsed = parse_integer(port->second);
    if (!parsed || *parsed < 1 || *parsed > 65535)
      refuse_variable("REDIS_PORT", runtime::text::quoted(port->second) +
                                        " is not allowed; allowed is a whole number, 1 to 65535");
    number = *parsed;
  }
  config.redis_url = "redis://" + name + ':' + std::to_string(number);
}

void refuse_unknown(const Variables& variables) {
  const auto fields = config_fields();
  for (const auto& [variable, value] : variables) {
    if (!variable.starts_with(prefix)) continue;
    const bool known = std::any_of(fields.begin(), fields.end(), [&](const Field& field) {
      return variable_of(field) == variable;
    });
    if (known) continue;
    std::string all;
    for (const Field& field : fields) all += (all.empty() ? "" : " ") + variable_of(field);
    refuse_variable(runtime::text::quoted(variable), "no field has this name; allowed are " + all);
  }
}

}  // namespace

MQConfig config_from(const Variables& variables) {
  refuse_unknown(variables);
  MQConfig config;
  if (!variables.contains("REDIS_URL") && !variables.contains("MQ_REDIS_URL"))
    set_host_and_port(variables, config);
  for (const Field& field : config_fields()) {
    const std::string own = variable_of(field);
    const std::string common(field.common_variable);
    // The common name first, so that the library's own wins.
    for (const std::string& variable : {common, own}) {
      const auto found = variables.find(variable);
      if (!variable.empty() && found != variables.end())
        set(field, variable, found->second, config);
    }
  }
  config.validate();
  return config;
}

}  // namespace mx_rmq::api

namespace mx_rmq {

MQConfig MQConfig::from_env() {
  api::Variables variables;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    if (text.starts_with("MQ_") || text.starts_with("REDIS_"))
      variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return api::config_from(variables);
}

}  // namespace mx_rmq
