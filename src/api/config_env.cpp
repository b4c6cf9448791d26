#include "api/config_env.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "api/config_fields.hpp"
#include "api/config_values.hpp"
#include "api/name_distance.hpp"
#include "api/redis_url.hpp"
#include "mx_rmq/errors.hpp"
#include "runtime/log.hpp"
#include "runtime/text.hpp"

namespace mx_rmq::api {
namespace {

namespace log = runtime::log;

constexpr std::string_view short_prefix = "MQ_";
constexpr std::string_view long_prefix = "MX_RMQ_";
constexpr std::string_view redis_prefix = "REDIS_";
constexpr std::string_view host_variable = "REDIS_HOST";
constexpr std::string_view port_variable = "REDIS_PORT";

/// What this project's own tests and scripts have of the long prefix: programs that they start read
/// their configuration from the same environment.
constexpr auto tests_own =
    std::to_array<std::string_view>({"MX_RMQ_REDIS_SERVER", "MX_RMQ_RESULTS", "MX_RMQ_TEST_*",
                                     "MX_RMQ_FAULTS_*", "MX_RMQ_MODEL_*", "MX_RMQ_DELIVERY_*"});

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
    std::string operator()(const RetryField&) const {
      return "T a duration: seconds, or a number with ms, s, m, h or d";
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
  const bool parsed = parse(field, value, config);
  if (parsed && in_range(field, config)) return;
  const std::string form = form_of(field) + ", ";
  if (parsed && (std::holds_alternative<TextField>(field.kind) ||
                 std::holds_alternative<RetryField>(field.kind)))
    refuse_variable(variable, why_not(field, config, form));
  refuse_variable(variable, runtime::text::quoted(value) + " is not allowed; allowed is " + form +
                                allowed_by(field));
}

/// Without blanks and line ends around it, as files of secrets and shells leave them.
std::string_view without_blank_ends(std::string_view text) {
  constexpr std::string_view blank = " \t\r\n\v\f";
  const std::size_t begin = text.find_first_not_of(blank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blank) - begin + 1);
}

/// What is set: a variable without a value is as good as none.
Variables without_blanks(const Variables& variables) {
  Variables out;
  for (const auto& [variable, value] : variables)
    if (const std::string_view text = without_blank_ends(value); !text.empty())
      out.emplace(variable, text);
  return out;
}

std::optional<std::string> value_of(const Variables& variables, std::string_view name) {
  const auto found = variables.find(std::string(name));
  if (found == variables.end()) return std::nullopt;
  return found->second;
}

/// "10.0.0.1:6379" of the tcp://10.0.0.1:6379 that Kubernetes and Docker put into REDIS_PORT where
/// a service is called redis; nothing of a port.
std::optional<std::string> service_in(const std::string& port) {
  const std::size_t scheme = port.find("://");
  if (scheme == std::string::npos) return std::nullopt;
  return port.substr(scheme + 3);
}

/// A URL made of REDIS_HOST and REDIS_PORT; nothing if neither is set.
void set_host_and_port(const Variables& variables, MQConfig& config) {
  const auto host = value_of(variables, host_variable);
  auto port = value_of(variables, port_variable);
  if (const auto service = port ? service_in(*port) : std::nullopt) {
    const std::string url = "redis://" + *service;
    const bool taken =
        !host && port->starts_with("tcp://") && !service->empty() && service->front() != ':' &&
        service->find_first_of("/@?") == std::string::npos && why_redis_url_is_refused(url).empty();
    // Its value is not shown: it is whatever somebody has put there.
    log::info(taken ? "Redis is where REDIS_PORT says, which was set for a service of that name"
                    : "REDIS_PORT is the address of a service, no port, and is ignored");
    if (taken) config.redis_url = url;
    if (taken) return;
    port.reset();
  }
  if (!host && !port) return;
  std::int64_t number = 6379;
  if (port) {
    const auto parsed = parse_integer(*port);
    if (!parsed || *parsed < 1 || *parsed > 65535)
      refuse_variable(
          std::string(port_variable),
          runtime::text::quoted(*port) + " is not allowed; allowed is a whole number, 1 to 65535");
    number = *parsed;
  }
  const std::string name = host.value_or("localhost");
  const bool clean = name.size() <= 255 && std::all_of(name.begin(), name.end(), [](char c) {
                       return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                              (c >= 'A' && c <= 'Z') ||
                              std::string_view(".-_:").find(c) != std::string_view::npos;
                     });
  const bool v6 = name.find(':') != std::string::npos;
  const std::string url =
      "redis://" + (v6 ? '[' + name + ']' : name) + ':' + std::to_string(number);
  if (!clean || !why_redis_url_is_refused(url).empty())
    refuse_variable(std::string(host_variable),
                    runtime::text::quoted(name) +
                        " is not allowed; allowed is a host name or an address (a URL goes into "
                        "REDIS_URL, a port into REDIS_PORT)");
  config.redis_url = url;
}

/// What Kubernetes and Docker set where a service is called "mq", "mx-rmq", "mx-rmq-exporter" ...:
/// nobody's slip. `name` without the prefix.
bool set_for_a_service(std::string_view name, std::string_view value) {
  const std::string text = '_' + std::string(name);
  if (text.ends_with("_SERVICE_HOST") || text.find("_SERVICE_PORT") != std::string::npos)
    return true;
  if (text.ends_with("_PORT")) return value.find("://") != std::string_view::npos;
  const std::size_t port = text.find("_PORT_");
  return port != std::string::npos && port + 6 < text.size() && text[port + 6] >= '0' &&
         text[port + 6] <= '9';
}

bool belongs_to_tests(std::string_view variable) {
  return std::any_of(tests_own.begin(), tests_own.end(), [&](std::string_view own) {
    return own.ends_with('*') ? variable.starts_with(own.substr(0, own.size() - 1))
                              : variable == own;
  });
}

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  return out;
}

/// The variable that was meant, if one can be told.
std::optional<std::string> meant_by(std::string_view variable) {
  const std::string name = upper(variable);
  const auto near = [&](std::string_view prefix, const std::string& known) {
    return name.starts_with(prefix) &&
           nearly_the_same(std::string_view(name).substr(prefix.size()),
                           std::string_view(known).substr(prefix.size()));
  };
  for (const Field& field : config_fields()) {
    if (near(long_prefix, long_variable_of(field))) return long_variable_of(field);
    if (near(short_prefix, variable_of(field))) return variable_of(field);
    const std::string common(field.common_variable);
    if (!common.empty() && near(redis_prefix, common)) return common;
  }
  // Not fields, but what others call them.
  for (const std::string_view known : {host_variable, port_variable})
    if (name == std::string(short_prefix) + std::string(known)) return std::string(known);
  return std::nullopt;
}

bool is_known(const std::string& variable) {
  if (variable == host_variable || variable == port_variable) return true;
  const auto fields = config_fields();
  return std::any_of(fields.begin(), fields.end(), [&](const Field& field) {
    return variable == variable_of(field) || variable == long_variable_of(field) ||
           variable == field.common_variable;
  });
}

[[noreturn]] void refuse_unknown(const std::string& variable) {
  std::string why = "no field has this name";
  if (const auto meant = meant_by(variable)) why += " (" + *meant + "?)";
  why += "; allowed are";
  for (const Field& field : config_fields()) why += ' ' + long_variable_of(field);
  refuse_variable(runtime::text::quoted(variable), why);
}

/// MX_RMQ_ is ours; MQ_ and REDIS_ are also other products', whose variables are none of our
/// business unless they look like a slip.
void look_at_unknown(const Variables& variables) {
  for (const auto& [variable, value] : variables) {
    if (is_known(variable)) continue;
    for (const std::string_view prefix : {long_prefix, short_prefix, redis_prefix}) {
      if (!variable.starts_with(prefix)) continue;
      if (set_for_a_service(std::string_view(variable).substr(prefix.size()), value)) break;
      if (prefix == long_prefix && !belongs_to_tests(variable)) refuse_unknown(variable);
      if (prefix == long_prefix) break;
      if (const auto meant = meant_by(variable))
        log::warn("an environment variable is ignored, as no field has this name", "variable",
                  variable, "meant", *meant);
      break;
    }
  }
}

}  // namespace

MQConfig config_from(const Variables& given) {
  const Variables variables = without_blanks(given);
  look_at_unknown(variables);
  MQConfig config;
  const bool has_url = variables.contains("REDIS_URL") || variables.contains("MQ_REDIS_URL") ||
                       variables.contains("MX_RMQ_REDIS_URL");
  if (!has_url) set_host_and_port(variables, config);
  for (const Field& field : config_fields()) {
    // The most particular name first: the others are nobody's, or another product's, then.
    for (const std::string& variable :
         {long_variable_of(field), variable_of(field), std::string(field.common_variable)}) {
      const auto value = value_of(variables, variable);
      if (!value) continue;
      set(field, variable, *value, config);
      break;
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
    if (text.starts_with("MQ_") || text.starts_with("MX_RMQ_") || text.starts_with("REDIS_"))
      variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return api::config_from(variables);
}

}  // namespace mx_rmq
