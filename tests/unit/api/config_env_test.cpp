#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "api/config_env.hpp"
#include "api/config_fields.hpp"
#include "api/config_values.hpp"
#include "mx_rmq/config.hpp"
#include "unit/api/config_testing.hpp"

namespace mx_rmq {
namespace {

using namespace std::chrono_literals;
using api::config_from;
using api::Field;
using test::env_refusal;
using test::refusal;

/// Another valid value for each field, as a variable has it.
std::string other_value(const Field& field) {
  struct Other {
    const Field& field;
    std::string operator()(const api::IntField& f) const { return std::to_string(f.least + 1); }
    std::string operator()(const api::CountField&) const { return "9007199254740991"; }
    std::string operator()(const api::BytesField& f) const { return std::to_string(f.least + 7); }
    std::string operator()(const api::BoolField&) const { return "off"; }
    std::string operator()(const api::DurationField&) const { return "1234ms"; }
    std::string operator()(const api::DurationsField&) const { return "1, 2.5s,3m"; }
    std::string operator()(const api::TextField&) const {
      return field.name == "redis_url" ? "redis://other:1234" : "other";
    }
  };
  return std::visit(Other{field}, field.kind);
}

TEST(ConfigEnv, EveryFieldCanComeFromItsVariable) {
  const MQConfig defaults;
  for (const Field& field : api::config_fields()) {
    const std::string variable = api::variable_of(field);
    EXPECT_TRUE(variable.starts_with("MQ_"));
    const MQConfig config = config_from({{variable, other_value(field)}});
    for (const Field& each : api::config_fields()) {
      const bool differs = api::unparse(each, config) != api::unparse(each, defaults);
      EXPECT_EQ(differs, each.name == field.name) << variable << " and " << each.name;
    }
  }
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
      if (text.starts_with("MQ_") || text.starts_with("REDIS_"))
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
  const std::string unknown = refusal([] { (void)MQConfig::from_env(); });
  for (const char* name : {"REDIS_URL", "REDIS_PASSWORD", "MQ_MAX_WORKERS", "MQ_TASK_QUEUE_SIZE",
                           "MQ_MESSAGE_TTL", "MQ_MAX_WORKER"})
    unsetenv(name);
  EXPECT_EQ(config.redis_url, "redis://cache:7000/2");
  EXPECT_EQ(config.redis_password, "s3cret");
  EXPECT_EQ(config.max_workers, 10);
  EXPECT_EQ(config.task_queue_size, 20);
  EXPECT_EQ(config.message_ttl, 24h);
  EXPECT_TRUE(unknown.starts_with("\"MQ_MAX_WORKER\": no field has this name; allowed are MQ_"))
      << unknown;
  EXPECT_EQ(MQConfig::from_env(), MQConfig());
}

TEST(ConfigEnv, UnknownVariablesAreErrorsOnlyUnderThePrefix) {
  EXPECT_EQ(env_refusal({{"REDIS_ANYTHING", "x"}, {"HOME", "/"}, {"MQTT_HOST", "x"}}), "accepted");
  EXPECT_TRUE(env_refusal({{"MQ_", "x"}}).starts_with("\"MQ_\": no field"));
  EXPECT_TRUE(env_refusal({{"MQ_max_workers", "1"}}).starts_with("\"MQ_max_workers\": no field"));
  EXPECT_TRUE(env_refusal({{"MQ_LOG_LEVEL", "1"}}).find("MQ_MAX_WORKERS") != std::string::npos);
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
  EXPECT_EQ(
      env_refusal({{"REDIS_PORT", "tcp://10.0.0.1:6379"}}),
      "REDIS_PORT: \"tcp://10.0.0.1:6379\" is not allowed; allowed is a whole number, 1 to 65535");
  EXPECT_TRUE(env_refusal({{"REDIS_PORT", "0"}}).starts_with("REDIS_PORT: "));
  EXPECT_TRUE(env_refusal({{"REDIS_PORT", "65536"}}).starts_with("REDIS_PORT: "));
  EXPECT_TRUE(env_refusal({{"REDIS_HOST", ""}}).starts_with("REDIS_HOST: "));
  EXPECT_TRUE(env_refusal({{"REDIS_HOST", "redis://h"}}).starts_with("REDIS_HOST: "));
  const MQConfig config = config_from({{"REDIS_DB", "3"},
                                       {"REDIS_USERNAME", "u"},
                                       {"REDIS_PASSWORD", " p "},
                                       {"MQ_REDIS_DB", "4"}});
  EXPECT_EQ(config.redis_db, 4);
  EXPECT_EQ(config.redis_username, "u");
  EXPECT_EQ(config.redis_password, " p ");
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
  for (const char* bad : {"", " ", "-1", "0", "1.5", "1e3", "0x10", "5 5", "100001", "2147483648",
                          "4294967301", "99999999999999999999", "5s", "+", "-"})
    EXPECT_TRUE(env_refusal({{"MQ_MAX_WORKERS", bad}}).starts_with("MQ_MAX_WORKERS: ")) << bad;
  for (const char* bad : {"", "-1", "18446744073709551617", "99999999999999999999", "1k"})
    EXPECT_TRUE(env_refusal({{"MQ_MAX_PAYLOAD_BYTES", bad}}).starts_with("MQ_MAX_PAYLOAD_BYTES: "))
        << bad;
  for (const char* bad :
       {"", "s", "-1", "0", "1.", ".5", "1.5.5", "1 s 2", "5 min", "1w", "0.0001",
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
  EXPECT_EQ(config_from({{"MQ_RETRY_DELAYS", ""}, {"MQ_MAX_RETRIES", "0"}}).retry_delays.size(),
            0U);
}

}  // namespace
}  // namespace mx_rmq
