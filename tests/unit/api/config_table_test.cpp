#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "api/config_fields.hpp"
#include "api/config_values.hpp"
#include "mx_rmq/config.hpp"
#include "support/paths.hpp"
#include "unit/api/config_testing.hpp"

namespace mx_rmq {
namespace {

using namespace std::chrono_literals;
using api::Field;

TEST(Config, DefaultsAreThoseOfTheContractAndValid) {
  const MQConfig config;
  EXPECT_EQ(config.redis_url, "redis://localhost:6379");
  EXPECT_EQ(config.redis_db, 0);
  EXPECT_EQ(config.redis_username + config.redis_password + config.queue_prefix, "");
  EXPECT_EQ(config.connection_pool_size, 20);
  EXPECT_EQ(config.max_workers, 5);
  EXPECT_EQ(config.task_queue_size, MQConfig::automatic);
  EXPECT_EQ(config.message_ttl, 24h);
  EXPECT_EQ(config.processing_timeout, 180s);
  EXPECT_EQ(config.max_retries, 3);
  EXPECT_EQ(config.retry_policy.describe(), "listed");
  EXPECT_EQ(config.retry_delays, (std::vector<std::chrono::milliseconds>{60s, 300s, 1800s}));
  EXPECT_TRUE(config.enable_dead_letter);
  EXPECT_EQ(config.monitor_interval, 30s);
  EXPECT_EQ(config.expired_check_interval, 10s);
  EXPECT_EQ(config.processing_monitor_interval, 30s);
  EXPECT_EQ(config.batch_size, MQConfig::automatic);
  EXPECT_EQ(config.lease, 30s);
  EXPECT_EQ(config.shutdown_timeout, 30s);
  EXPECT_EQ(config.connect_timeout, 5s);
  EXPECT_FALSE(config.wait_for_redis);
  EXPECT_EQ(config.command_timeout, 5s);
  EXPECT_EQ(config.produce_timeout, 15s);
  EXPECT_EQ(config.reconnect_backoff_min, 50ms);
  EXPECT_EQ(config.reconnect_backoff_max, 5s);
  EXPECT_EQ(config.blocking_threads, 16);
  EXPECT_EQ(config.max_recoveries, 3);
  EXPECT_EQ(config.max_interruptions, 100);
  EXPECT_EQ(config.max_payload_bytes, 1048576U);
  EXPECT_EQ(config.claim_bytes, 4194304U);
  EXPECT_EQ(config.max_dead_letters, 0);
  EXPECT_TRUE(config.dead_letter_expired);
  EXPECT_EQ(config.max_pending_produces, 100'000U);
  EXPECT_EQ(config.max_error_bytes, 4096U);
  EXPECT_EQ(config.client_name, "mx-rmq");
  EXPECT_NO_THROW(config.validate());
}

TEST(ConfigTable, HasEveryFieldOnce) {
  // A field that the table lacks would leave a byte unchanged below; this catches new ones.
  std::set<std::string_view> names;
  std::size_t bytes = 0;
  for (const Field& field : api::config_fields()) {
    EXPECT_TRUE(names.insert(field.name).second) << field.name;
    EXPECT_FALSE(field.doc.empty()) << field.name;
    std::visit([&](const auto& kind) { bytes += sizeof(std::declval<MQConfig&>().*kind.member); },
               field.kind);
  }
  EXPECT_EQ(names.size(), 47U);
  // All fields together, apart from padding.
  EXPECT_LE(sizeof(MQConfig) - bytes, 5 * 8U);
}

TEST(ConfigDescribe, TellsEveryFieldInALine) {
  MQConfig config;
  config.redis_url = "redis://user:pw@h:6379/1";
  config.redis_password = "pw";
  const std::string text = config.describe();
  EXPECT_NE(text.find("redis_url = redis://***@h:6379/1\n"), std::string::npos) << text;
  EXPECT_NE(text.find("redis_password = ***\n"), std::string::npos);
  EXPECT_NE(text.find("retry_delays = 1m,5m,30m\n"), std::string::npos);
  EXPECT_NE(text.find("retry_policy = listed\n"), std::string::npos);
  EXPECT_NE(text.find("task_queue_size = automatic\n"), std::string::npos);
  EXPECT_NE(text.find("enable_dead_letter = true\n"), std::string::npos);
  std::istringstream lines(text);
  std::size_t count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
  }
  EXPECT_EQ(count, api::config_fields().size());
}

TEST(ConfigTable, MarkdownHasALinePerFieldWithVariableDefaultAndRange) {
  const std::string table = api::config_table_markdown();
  EXPECT_NE(table.find("| `lease` | `MQ_LEASE` | `30s` | 200ms to 1h | "), std::string::npos)
      << table;
  EXPECT_NE(table.find("| `redis_url` | `REDIS_URL`, `MQ_REDIS_URL` | `redis://localhost:6379` | "),
            std::string::npos);
  std::istringstream lines(table);
  std::size_t count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    std::size_t bars = 0;
    for (std::size_t i = 0; i < line.size(); ++i)
      if (line[i] == '|' && (i == 0 || line[i - 1] != '\\')) ++bars;
    EXPECT_EQ(bars, 6U) << line;
  }
  EXPECT_EQ(count, api::config_fields().size() + 2);
}

TEST(ConfigTable, TheReadmeHasExactlyThisTable) {
  std::ifstream file(test::source_path("docs/configuration.md"));
  ASSERT_TRUE(file);
  std::ostringstream text;
  text << file.rdbuf();
  EXPECT_NE(text.str().find(api::config_table_markdown()), std::string::npos)
      << "docs/configuration.md has to have this table:\n"
      << api::config_table_markdown();
}

TEST(ConfigHeader, DocumentsEachRangeAsTheTableHasIt) {
  std::ifstream file(test::source_path("include/mx_rmq/config.hpp"));
  ASSERT_TRUE(file);
  std::ostringstream text;
  text << file.rdbuf();
  const std::string header = text.str();
  const auto bracketed = [&](const Field& field) -> std::string {
    return std::visit(
        [&](const auto& kind) -> std::string {
          using Kind = std::decay_t<decltype(kind)>;
          if constexpr (std::is_same_v<Kind, api::DurationField>)
            return '[' + api::format_duration(kind.least) + ".." + api::format_duration(kind.most) +
                   ']';
          else if constexpr (std::is_same_v<Kind, api::IntField>)
            return '[' + std::to_string(kind.least) + ".." + std::to_string(kind.most) + ']';
          else
            return "";
        },
        field.kind);
  };
  for (const Field& field : api::config_fields()) {
    const std::string range = bracketed(field);
    if (range.empty()) continue;
    const std::size_t member = header.find(' ' + std::string(field.name) + " =");
    ASSERT_NE(member, std::string::npos) << field.name;
    // In the comment right above the member; two members may share one comment.
    const std::size_t comment = header.rfind("\n\n", member);
    const std::size_t near = member > 900 ? member - 900 : 0;
    EXPECT_NE(header.substr(std::max(comment, near), member - std::max(comment, near)).find(range),
              std::string::npos)
        << field.name << ' ' << range;
  }
}

}  // namespace
}  // namespace mx_rmq
