#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "api/config_env.hpp"
#include "api/config_fields.hpp"
#include "api/config_values.hpp"
#include "api/name_distance.hpp"
#include "api/tls_built_in.hpp"
#include "mx_rmq/config.hpp"
#include "mx_rmq/log.hpp"
#include "unit/api/config_testing.hpp"

namespace mx_rmq {
namespace {

using namespace std::chrono_literals;
using api::config_from;
using api::Field;
using api::Variables;
using test::env_refusal;
using test::refusal;

/// Another valid value for each field, as a variable has it.
std::string other_value(const Field& field) {
  struct Other {
    const Field& field;
    std::string operator()(const api::IntField& f) const { return std::to_string(f.least + 1); }
    std::string operator()(const api::CountField&) const { return "9007199254740991"; }
    std::string operator()(const api::BytesField& f) const { return std::to_string(f.least + 7); }
    std::string operator()(const api::BoolField& f) const {
      return MQConfig().*f.member ? "off" : "on";
    }
    std::string operator()(const api::DurationField&) const { return "1234ms"; }
    std::string operator()(const api::DurationsField&) const { return "1, 2.5s,3m"; }
    std::string operator()(const api::RetryField&) const {
      return "exponential 1s factor 3 maximum 5m jitter full for 1d";
    }
    std::string operator()(const api::TextField&) const {
      if (field.name == "redis_address_map") return "a=b";
      return field.name == "redis_url" ? "redis://other:1234" : "other";
    }
  };
  return std::visit(Other{field}, field.kind);
}

TEST(ConfigEnv, EveryFieldCanComeFromItsVariable) {
  for (const Field& field : api::config_fields()) {
    // What says something about TLS is nothing by itself.
    Variables others;
    if (field.name.starts_with("tls_")) {
      if (!api::tls_built_in()) continue;
      others = {{"REDIS_URL", "rediss://h"}};
    }
    if (field.name == "tls_key_file") others.emplace("MQ_TLS_CERT_FILE", "/cert.pem");
    const MQConfig defaults = config_from(others);
    EXPECT_TRUE(api::variable_of(field).starts_with("MQ_"));
    EXPECT_TRUE(api::long_variable_of(field).starts_with("MX_RMQ_"));
    for (const std::string& variable : {api::variable_of(field), api::long_variable_of(field)}) {
      Variables variables = others;
      variables.emplace(variable, other_value(field));
      const MQConfig config = config_from(variables);
      for (const Field& each : api::config_fields()) {
        const bool differs = api::unparse(each, config) != api::unparse(each, defaults);
        EXPECT_EQ(differs, each.name == field.name) << variable << " and " << each.name;
      }
    }
  }
}

TEST(ConfigEnv, TheLongestPrefixWinsAndTheOthersAreNotLookedAt) {
  EXPECT_EQ(config_from({{"MX_RMQ_LEASE", "1s"}, {"MQ_LEASE", "2s"}}).lease, 1s);
  EXPECT_EQ(config_from({{"MX_RMQ_LEASE", "1s"}, {"MQ_LEASE", "soon"}}).lease, 1s);
  EXPECT_EQ(
      config_from({{"MX_RMQ_REDIS_DB", "1"}, {"MQ_REDIS_DB", "2"}, {"REDIS_DB", "3"}}).redis_db, 1);
  EXPECT_EQ(config_from({{"MX_RMQ_REDIS_URL", "redis://a"}, {"REDIS_URL", "redis://b"}}).redis_url,
            "redis://a");
  EXPECT_EQ(config_from({{"MX_RMQ_REDIS_URL", "redis://a"}, {"REDIS_HOST", "b"}}).redis_url,
            "redis://a");
  EXPECT_TRUE(env_refusal({{"MX_RMQ_LEASE", "soon"}}).starts_with("MX_RMQ_LEASE: \"soon\" is not"));
}

TEST(ConfigEnv, ARetryPolicyIsReadAndWhatIsWrongWithItTold) {
  EXPECT_EQ(config_from({{"MQ_RETRY_POLICY", " exponential 0.5 jitter equal\n"}}).retry_policy,
            RetryPolicy::exponential(500ms).jitter(Jitter::equal));
  EXPECT_EQ(env_refusal({{"MQ_RETRY_POLICY", "exponential 1s factor 0.5"}}),
            "MQ_RETRY_POLICY: a factor of 0.5 is not allowed; 1 to 100 are");
  EXPECT_EQ(env_refusal({{"MQ_RETRY_POLICY", "often"}}),
            "MQ_RETRY_POLICY: \"often\" is not allowed; allowed is T a duration: seconds, or a "
            "number with ms, s, m, h or d, listed, fixed T, linear T or exponential T [factor N], "
            "then any of maximum T, jitter none|full|equal, for T");
}

TEST(ConfigEnv, EmptyIsUnsetAndEndsAreTrimmed) {
  Variables nothing;
  for (const Field& field : api::config_fields()) {
    nothing[api::variable_of(field)] = "";
    nothing[api::long_variable_of(field)] = " \t\r\n";
    if (!field.common_variable.empty()) nothing[std::string(field.common_variable)] = "\n";
  }
  nothing["REDIS_HOST"] = nothing["REDIS_PORT"] = nothing["MX_RMQ_NO_SUCH"] = "";
  EXPECT_EQ(config_from(nothing), MQConfig());
  EXPECT_EQ(config_from({{"MX_RMQ_LEASE", ""}, {"MQ_LEASE", "2s"}}).lease, 2s);
  EXPECT_EQ(config_from({{"MQ_RETRY_DELAYS", ""}}).retry_delays, MQConfig().retry_delays);
  EXPECT_EQ(config_from({{"REDIS_URL", ""}, {"REDIS_HOST", "h"}}).redis_url, "redis://h:6379");
  const MQConfig config = config_from({{"REDIS_URL", " redis://h:1\n"},
                                       {"REDIS_PASSWORD", "two words\r\n"},
                                       {"REDIS_USERNAME", "\tme "},
                                       {"MQ_QUEUE_PREFIX", "shop\n"},
                                       {"MQ_MAX_WORKERS", "7\n"},
                                       {"MQ_ENABLE_DEAD_LETTER", "no\r\n"},
                                       {"MQ_RETRY_DELAYS", "\n1s,2s\n"},
                                       {"MQ_LEASE", "9s\n"}});
  EXPECT_EQ(config.redis_url, "redis://h:1");
  EXPECT_EQ(config.redis_password, "two words");
  EXPECT_EQ(config.redis_username, "me");
  EXPECT_EQ(config.queue_prefix, "shop");
  EXPECT_EQ(config.max_workers, 7);
  EXPECT_FALSE(config.enable_dead_letter);
  EXPECT_EQ(config.retry_delays, (std::vector<std::chrono::milliseconds>{1s, 2s}));
  EXPECT_EQ(config.lease, 9s);
}

/// What is logged while it lives.
class Logged {
 public:
  Logged() {
    set_log_sink([this](LogLevel level, std::string_view line) {
      lines_.push_back(std::string(to_string(level)) + ": " + std::string(line));
    });
  }
  Logged(const Logged&) = delete;
  Logged& operator=(const Logged&) = delete;
  ~Logged() { set_log_sink({}); }

  [[nodiscard]] std::vector<std::string> take() { return std::exchange(lines_, {}); }

 private:
  std::vector<std::string> lines_;
};

TEST(ConfigEnv, OtherProductsVariablesAreIgnoredAndSlipsAreWarnedOf) {
  Logged logged;
  // IBM MQ's, Artemis's and RabbitMQ's images, and what Kubernetes sets for services called "mq",
  // "redis" and "mx-rmq-exporter".
  const Variables others{{"MQ_QMGR_NAME", "QM1"},
                         {"MQ_APP_PASSWORD", "x"},
                         {"MQ_ADMIN_PASSWORD", "x"},
                         {"MQ_ENABLE_METRICS", "true"},
                         {"MQ_ENABLE_EMBEDDED_WEB_SERVER", "false"},
                         {"MQ_DEV", "true"},
                         {"MQ_TLS_KEYSTORE", "/k"},
                         {"MQ_CONNAUTH_USE_HTP", "1"},
                         {"MQ_GRACE_PERIOD", "30"},
                         {"MQ_LOGGING_CONSOLE_FORMAT", "json"},
                         {"MQ_PORT", "tcp://10.0.0.7:1414"},
                         {"MQ_SERVICE_HOST", "10.0.0.7"},
                         {"MQ_SERVICE_PORT", "1414"},
                         {"MQ_PORT_1414_TCP_ADDR", "10.0.0.7"},
                         {"MQ_REDIS_PORT", "tcp://10.0.0.9:6379"},
                         {"MQ_", "x"},
                         {"REDIS_SERVICE_HOST", "10.0.0.8"},
                         {"REDIS_PORT_6379_TCP", "tcp://10.0.0.8:6379"},
                         {"REDIS_MAXMEMORY", "1gb"},
                         {"MX_RMQ_EXPORTER_PORT", "tcp://10.0.0.6:9100"},
                         {"MX_RMQ_EXPORTER_PORT_9100_TCP_PROTO", "tcp"},
                         {"MX_RMQ_SERVICE_HOST", "10.0.0.6"},
                         {"MX_RMQ_SERVICE_PORT_HTTP", "9100"},
                         {"MX_RMQ_REDIS_SERVER", "/usr/bin/valkey-server"},
                         {"MX_RMQ_TEST_SKEW", "5"}};
  EXPECT_EQ(config_from(others), MQConfig());
  EXPECT_EQ(logged.take(), std::vector<std::string>());
  const std::pair<const char*, const char*> slips[] = {
      {"MQ_MAX_WORKER", "MQ_MAX_WORKERS"},
      {"MQ_max_workers", "MQ_MAX_WORKERS"},
      {"MQ_MAXWORKERS", "MQ_MAX_WORKERS"},
      {"MQ_MAX_WROKERS", "MQ_MAX_WORKERS"},
      {"MQ_RETRY_DELAY", "MQ_RETRY_DELAYS"},
      {"MQ_LEASES", "MQ_LEASE"},
      {"MQ_REDIS_URI", "MQ_REDIS_URL"},
      {"MQ_REDIS_HOST", "REDIS_HOST"},
      {"MQ_PROCESING_TIMEOUT", "MQ_PROCESSING_TIMEOUT"},
      {"REDIS_PASSWROD", "REDIS_PASSWORD"}};
  for (const auto& [variable, meant] : slips) {
    EXPECT_EQ(config_from({{variable, "hunter2"}}), MQConfig());
    EXPECT_EQ(logged.take(), std::vector<std::string>{
                                 std::string("warn: an environment variable is ignored, as no "
                                             "field has this name variable=") +
                                 variable + " meant=" + meant});
  }
}

TEST(ConfigEnv, AServiceThatIsCalledRedisIsUnderstood) {
  Logged logged;
  EXPECT_EQ(config_from({{"REDIS_PORT", "tcp://10.0.0.1:6380"}}).redis_url,
            "redis://10.0.0.1:6380");
  EXPECT_EQ(config_from({{"REDIS_PORT", "tcp://[fd00::1]:6379"}}).redis_url,
            "redis://[fd00::1]:6379");
  EXPECT_EQ(logged.take().size(), 2U) << "says so";
  for (const char* ignored :
       {"tcp://10.0.0.1:x", "udp://10.0.0.1:6379", "tcp://", "tcp://u:p@h:1", "tcp://h:1/2"})
    EXPECT_EQ(config_from({{"REDIS_PORT", ignored}}), MQConfig()) << ignored;
  EXPECT_EQ(config_from({{"REDIS_HOST", "cache"}, {"REDIS_PORT", "tcp://10.0.0.1:6380"}}).redis_url,
            "redis://cache:6379")
      << "the host that somebody chose; the port is of another one";
  for (const std::string& line : logged.take())
    EXPECT_EQ(line, "info: REDIS_PORT is the address of a service, no port, and is ignored");
}

TEST(ConfigEnv, EveryFieldIsReadBackFromItsOwnText) {
  const MQConfig defaults;
  for (const Field& field : api::config_fields()) {
    MQConfig config;
    ASSERT_TRUE(api::parse(field, other_value(field), config)) << field.name;
    MQConfig again;
    ASSERT_TRUE(api::parse(field, api::unparse(field, config), again)) << field.name;
    EXPECT_EQ(again, config) << field.name;
    EXPECT_NE(again, defaults) << field.name;
  }
}

/// Takes the variables that from_env() reads out of the environment, and puts them back at the end.
class CleanEnvironment {
 public:
  CleanEnvironment() {
    for (char** entry = environ; *entry != nullptr; ++entry) {
      const std::string text = *entry;
      if (text.starts_with("MQ_") || text.starts_with("MX_RMQ_") || text.starts_with("REDIS_"))
        saved_.emplace_back(text.substr(0, text.find('=')), text.substr(text.find('=') + 1));
    }
    for (const auto& [name, value] : saved_) unsetenv(name.c_str());
  }
  CleanEnvironment(const CleanEnvironment&) = delete;
  CleanEnvironment& operator=(const CleanEnvironment&) = delete;
  ~CleanEnvironment() {
    for (const auto& [name, value] : saved_) setenv(name.c_str(), value.c_str(), 1);
  }

 private:
  std::vector<std::pair<std::string, std::string>> saved_;
};

TEST(ConfigEnv, ReadsTheRealEnvironment) {
  const CleanEnvironment clean;
  setenv("REDIS_URL", "redis://cache:7000/2", 1);
  setenv("REDIS_PASSWORD", "s3cret", 1);
  setenv("MQ_MAX_WORKERS", "10", 1);
  setenv("MQ_TASK_QUEUE_SIZE", "20", 1);
  setenv("MQ_MESSAGE_TTL", "86400", 1);
  const MQConfig config = MQConfig::from_env();
  setenv("MQ_MAX_WORKER", "10", 1);
  const MQConfig with_a_slip = MQConfig::from_env();
  setenv("MX_RMQ_MAX_WORKER", "10", 1);
  const std::string unknown = refusal([] { (void)MQConfig::from_env(); });
  for (const char* name : {"REDIS_URL", "REDIS_PASSWORD", "MQ_MAX_WORKERS", "MQ_TASK_QUEUE_SIZE",
                           "MQ_MESSAGE_TTL", "MQ_MAX_WORKER", "MX_RMQ_MAX_WORKER"})
    unsetenv(name);
  EXPECT_EQ(config.redis_url, "redis://cache:7000/2");
  EXPECT_EQ(config.redis_password, "s3cret");
  EXPECT_EQ(config.max_workers, 10);
  EXPECT_EQ(config.task_queue_size, 20);
  EXPECT_EQ(config.message_ttl, 24h);
  EXPECT_EQ(with_a_slip, config);
  EXPECT_TRUE(
      unknown.starts_with("\"MX_RMQ_MAX_WORKER\": no field has this name "
                          "(MX_RMQ_MAX_WORKERS?); allowed are MX_RMQ_REDIS_URL "))
      << unknown;
  EXPECT_EQ(MQConfig::from_env(), MQConfig());
}

TEST(ConfigEnv, WhatTheLibraryMayChooseIsAWord) {
  const MQConfig config =
      config_from({{"MQ_TASK_QUEUE_SIZE", "automatic"}, {"MQ_BATCH_SIZE", " automatic\n"}});
  EXPECT_EQ(config.task_queue_size, MQConfig::automatic);
  EXPECT_EQ(config.batch_size, MQConfig::automatic);
  EXPECT_EQ(config_from({{"MQ_TASK_QUEUE_SIZE", "0"}}).task_queue_size, 0);
  EXPECT_EQ(
      env_refusal({{"MQ_BATCH_SIZE", "-1"}}),
      "MQ_BATCH_SIZE: \"-1\" is not allowed; allowed is a whole number, 1 to 1000, or automatic");
  EXPECT_EQ(env_refusal({{"MQ_MAX_WORKERS", "automatic"}}),
            "MQ_MAX_WORKERS: \"automatic\" is not allowed; allowed is a whole number, 1 to 100000");
}

TEST(ConfigEnv, UnknownVariablesAreErrorsOnlyUnderThePrefix) {
  EXPECT_EQ(env_refusal({{"REDIS_ANYTHING", "x"}, {"HOME", "/"}, {"MQTT_HOST", "x"}}), "accepted");
  EXPECT_EQ(env_refusal({{"MQ_", "x"}, {"MQ_LOG_LEVEL", "1"}}), "accepted");
  EXPECT_TRUE(env_refusal({{"MX_RMQ_", "x"}}).starts_with("\"MX_RMQ_\": no field has this name; "));
  EXPECT_TRUE(
      env_refusal({{"MX_RMQ_max_workers", "1"}})
          .starts_with("\"MX_RMQ_max_workers\": no field has this name (MX_RMQ_MAX_WORKERS?)"));
  EXPECT_TRUE(
      env_refusal({{"MX_RMQ_LOG_LEVEL", "1"}}).ends_with("MX_RMQ_PROCESSING_MONITOR_INTERVAL"));
  EXPECT_TRUE(
      env_refusal({{"MX_RMQ_REDIS_HOST", "h"}}).starts_with("\"MX_RMQ_REDIS_HOST\": no field"));
}

TEST(ConfigEnv, RedisVariablesAndWhichOfThemWins) {
  EXPECT_EQ(config_from({{"REDIS_HOST", "cache"}}).redis_url, "redis://cache:6379");
  EXPECT_EQ(config_from({{"REDIS_PORT", "7000"}}).redis_url, "redis://localhost:7000");
  EXPECT_EQ(config_from({{"REDIS_HOST", "::1"}, {"REDIS_PORT", "7"}}).redis_url, "redis://[::1]:7");
  EXPECT_EQ(config_from({{"REDIS_URL", "redis://a"}, {"REDIS_HOST", "b"}}).redis_url, "redis://a");
  EXPECT_EQ(config_from({{"MQ_REDIS_URL", "redis://a"}, {"REDIS_URL", "redis://b"}}).redis_url,
            "redis://a");
  // Kubernetes sets REDIS_PORT to a URL where a service is called redis.
  EXPECT_EQ(
      config_from({{"REDIS_URL", "redis://a"}, {"REDIS_PORT", "tcp://10.0.0.1:6379"}}).redis_url,
      "redis://a");
  EXPECT_TRUE(env_refusal({{"REDIS_PORT", "0"}}).starts_with("REDIS_PORT: "));
  EXPECT_TRUE(env_refusal({{"REDIS_PORT", "65536"}}).starts_with("REDIS_PORT: "));
  EXPECT_EQ(env_refusal({{"REDIS_PORT", "63x"}}),
            "REDIS_PORT: \"63x\" is not allowed; allowed is a whole number, 1 to 65535");
  EXPECT_TRUE(env_refusal({{"REDIS_HOST", "h:6379"}}).starts_with("REDIS_HOST: "));
  EXPECT_TRUE(env_refusal({{"REDIS_HOST", "redis://h"}}).starts_with("REDIS_HOST: "));
  const MQConfig config = config_from({{"REDIS_DB", "3"},
                                       {"REDIS_USERNAME", "u"},
                                       {"REDIS_PASSWORD", "p p"},
                                       {"MQ_REDIS_DB", "4"}});
  EXPECT_EQ(config.redis_db, 4);
  EXPECT_EQ(config.redis_username, "u");
  EXPECT_EQ(config.redis_password, "p p");
}

TEST(ConfigEnv, MalformedAndOverflowingValuesNameTheVariableAndWhatIsAllowed) {
  EXPECT_EQ(env_refusal({{"MQ_MAX_WORKERS", "five"}}),
            "MQ_MAX_WORKERS: \"five\" is not allowed; allowed is a whole number, 1 to 100000");
  EXPECT_EQ(
      env_refusal({{"MQ_LEASE", "10ms"}}),
      "MQ_LEASE: \"10ms\" is not allowed; allowed is seconds, or a number with ms, s, m, h or "
      "d, 200ms to 1h");
  EXPECT_EQ(env_refusal({{"MQ_RETRY_DELAYS", "1,x"}}),
            "MQ_RETRY_DELAYS: \"1,x\" is not allowed; allowed is durations separated by commas: "
            "seconds, or a number with ms, s, m, h or d, at most 1000 durations, each 0s to 365d");
  EXPECT_EQ(
      env_refusal({{"MQ_ENABLE_DEAD_LETTER", "maybe"}}),
      "MQ_ENABLE_DEAD_LETTER: \"maybe\" is not allowed; allowed is true, false, 1, 0, yes, no, "
      "on or off, true or false");
  for (const char* bad : {"-1", "0", "1.5", "1e3", "0x10", "5 5", "100001", "2147483648",
                          "4294967301", "99999999999999999999", "5s", "+", "-"})
    EXPECT_TRUE(env_refusal({{"MQ_MAX_WORKERS", bad}}).starts_with("MQ_MAX_WORKERS: ")) << bad;
  for (const char* bad : {"-1", "18446744073709551617", "99999999999999999999", "1k"})
    EXPECT_TRUE(env_refusal({{"MQ_MAX_PAYLOAD_BYTES", bad}}).starts_with("MQ_MAX_PAYLOAD_BYTES: "))
        << bad;
  for (const char* bad :
       {"s", "-1", "0", "1.", ".5", "1.5.5", "1 s 2", "5 min", "1w", "0.0001",
        "9223372036854775807", "9223372036854775807d", "99999999999999999999", "inf"})
    EXPECT_TRUE(env_refusal({{"MQ_MESSAGE_TTL", bad}}).starts_with("MQ_MESSAGE_TTL: ")) << bad;
  for (const char* bad : {",", "1,", ",1", "1,,2", "1;2", "-1", "366d"})
    EXPECT_TRUE(env_refusal({{"MQ_RETRY_DELAYS", bad}}).starts_with("MQ_RETRY_DELAYS: ")) << bad;
}

TEST(ConfigValues, DurationsInEveryForm) {
  const std::pair<const char*, std::chrono::milliseconds> good[] = {
      {"90", 90s},     {"0.5", 500ms}, {" 7\t", 7s},        {"500ms", 500ms}, {"2s", 2s},
      {"1.5h", 90min}, {"24h", 24h},   {"30m", 30min},      {"7d", 7 * 24h},  {"0.001", 1ms},
      {"-5", -5s},     {"0", 0ms},     {"1.2500s", 1250ms}, {"5.0ms", 5ms}};
  for (const auto& [text, value] : good) EXPECT_EQ(api::parse_duration(text), value) << text;
  for (const std::chrono::milliseconds value :
       {0ms, 1ms, 999ms, 1000ms, 90'000ms, 3'600'000ms, 86'400'000ms, -5ms})
    EXPECT_EQ(api::parse_duration(api::format_duration(value)), value);
  EXPECT_EQ(api::format_duration(1500ms), "1500ms");
  EXPECT_EQ(api::format_duration(90s), "90s");
  EXPECT_EQ(api::format_duration(36h), "36h");
  EXPECT_EQ(api::format_durations({60s, 1500ms}), "1m,1500ms");
}

TEST(ConfigValues, BooleansAndListsInEveryForm) {
  for (const char* text : {"true", "1", "yes", "on", "TRUE", "Yes", " on "})
    EXPECT_EQ(api::parse_bool(text), true) << text;
  for (const char* text : {"false", "0", "no", "off", "OFF"})
    EXPECT_EQ(api::parse_bool(text), false) << text;
  for (const char* text : {"", "2", "y", "truee"})
    EXPECT_EQ(api::parse_bool(text), std::nullopt) << text;
  EXPECT_EQ(api::parse_durations("")->size(), 0U);
  EXPECT_EQ(api::parse_durations("60, 300 ,1800"),
            (std::vector<std::chrono::milliseconds>{60s, 300s, 1800s}));
}

TEST(NameDistance, CountsWhatHasToBeChanged) {
  EXPECT_EQ(api::name_distance("", ""), 0U);
  EXPECT_EQ(api::name_distance("", "ABC"), 3U);
  EXPECT_EQ(api::name_distance("LEASE", "LEASE"), 0U);
  EXPECT_EQ(api::name_distance("LEAES", "LEASE"), 1U) << "exchanged";
  EXPECT_EQ(api::name_distance("LASE", "LEASE"), 1U);
  EXPECT_EQ(api::name_distance("RELEASE", "LEASE"), 2U);
  EXPECT_EQ(api::name_distance("KITTEN", "SITTING"), 3U);
  EXPECT_TRUE(api::nearly_the_same("LEASES", "LEASE"));
  EXPECT_FALSE(api::nearly_the_same("RELEASE", "LEASE"));
  EXPECT_FALSE(api::nearly_the_same(std::string(1'000'000, 'X'), "LEASE"));
}

}  // namespace
}  // namespace mx_rmq
