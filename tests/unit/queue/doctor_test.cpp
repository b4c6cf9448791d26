// What is made of what servers, topics and health checks tell.
#include "queue/doctor.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace mx_rmq::queue {
namespace {

using Level = Finding::Level;

// A server that nothing is wrong with, but for what is said otherwise.
ServerFacts facts(std::map<std::string, std::string> otherwise = {}) {
  std::map<std::string, std::string> fields{
      {"redis_version", "7.0.15"},
      {"maxmemory_policy", "noeviction"},
      {"evicted_keys", "0"},
      {"used_memory", "1048576"},
      {"maxmemory", "104857600"},
      {"aof_enabled", "1"},
      {"rdb_last_bgsave_status", "ok"},
      {"aof_last_write_status", "ok"},
      {"connected_slaves", "1"},
      {"connected_clients", "10"},
      {"slave0", "ip=10.0.0.2,port=6379,state=online,offset=1,lag=0"},
      {"maxclients", "10000"},
      {"rejected_connections", "0"}};
  for (auto& [name, value] : otherwise) fields[name] = std::move(value);
  ServerFacts out;
  for (const auto& [name, value] : fields) out.info += name + ":" + value + "\r\n";
  out.clock_ahead = std::chrono::milliseconds(0);
  out.config = {{"appendfsync", "everysec"}, {"save", ""}, {"timeout", "0"}};
  return out;
}

// Those that are no "good", by subject.
std::map<std::string, Finding> trouble(const std::vector<Finding>& findings) {
  std::map<std::string, Finding> out;
  for (const Finding& each : findings)
    if (each.level != Level::good) out[each.subject] = each;
  return out;
}

TEST(Doctor, HasNothingToSayOfAServerThatIsWell) {
  const std::vector<Finding> findings = examine(facts(), MQConfig());
  EXPECT_EQ(trouble(findings).size(), 0U);
  EXPECT_GE(findings.size(), 7U) << "what is well is told too";
}

struct Case {
  std::map<std::string, std::string> fields;
  const char* subject;
  Level level;
  const char* part;  // of what was seen
};

TEST(Doctor, NamesEachThingThatIsWrongAndWhatToDo) {
  const std::vector<Case> cases{
      {{{"maxmemory_policy", "allkeys-lru"}}, "eviction", Level::critical, "allkeys-lru"},
      {{{"maxmemory_policy", "volatile-ttl"}}, "eviction", Level::critical, "volatile-ttl"},
      {{{"evicted_keys", "3"}}, "eviction", Level::warning, "3 keys"},
      {{{"maxmemory", "0"}}, "memory", Level::warning, "no limit"},
      {{{"used_memory", "78643200"}}, "memory", Level::warning, "75 %"},
      {{{"used_memory", "104857600"}}, "memory", Level::critical, "100 %"},
      {{{"aof_enabled", "0"}}, "persistence", Level::warning, "neither"},
      {{{"rdb_last_bgsave_status", "err"}}, "persistence", Level::critical, "rdb_last_bgsave"},
      {{{"aof_last_write_status", "err"}}, "persistence", Level::critical, "aof_last_write"},
      {{{"connected_slaves", "0"}}, "replicas", Level::note, "none"},
      {{{"slave0", "ip=10.0.0.2,port=6379,state=wait_bgsave,offset=0,lag=0"}},
       "replicas",
       Level::warning,
       "10.0.0.2:6379 is wait_bgsave"},
      {{{"slave0", "ip=10.0.0.2,port=6379,state=online,offset=0,lag=11"}},
       "replicas",
       Level::warning,
       "11 s ago"},
      {{{"latest_fork_usec", "900000"}}, "pauses", Level::warning, "900 ms"},
      {{{"connected_clients", "7500"}}, "connections", Level::critical, "7500"},
      {{{"rejected_connections", "2"}}, "connections", Level::warning, "2 were refused"},
  };
  for (const Case& each : cases) {
    const auto found = trouble(examine(facts(each.fields), MQConfig()));
    ASSERT_EQ(found.size(), 1U) << each.part;
    const Finding& finding = found.begin()->second;
    EXPECT_EQ(finding.subject, each.subject);
    EXPECT_EQ(finding.level, each.level) << each.part;
    EXPECT_NE(finding.seen.find(each.part), std::string::npos) << finding.seen;
    EXPECT_EQ(finding.remedy.empty(), finding.level == Level::note) << finding.seen;
  }
}

TEST(Doctor, KnowsWhatIsNotInInfo) {
  ServerFacts server = facts();
  server.clock_ahead = std::chrono::milliseconds(-5000);
  server.config["timeout"] = "60";
  server.config["appendfsync"] = "no";
  MQConfig config;
  config.wait_replicas = 2;
  auto found = trouble(examine(server, config));
  EXPECT_EQ(found.size(), 4U);
  EXPECT_NE(found["clock"].seen.find("5000 ms behind"), std::string::npos) << found["clock"].seen;
  EXPECT_EQ(found["timeout"].level, Level::note);
  EXPECT_EQ(found["persistence"].level, Level::warning);
  EXPECT_EQ(found["replicas"].level, Level::critical) << "fewer than wait_replicas";
  server = ServerFacts();
  server.trouble = "NOPERM";
  found = trouble(examine(server, config));
  EXPECT_EQ(found.size(), 1U);
  EXPECT_NE(found["info"].seen.find("NOPERM"), std::string::npos);
}

TEST(Doctor, NamesTopicsWhoseMessagesWaitForNobody) {
  MetricsSnapshot snapshot;
  snapshot.topics["well"].pending = 5;
  snapshot.topics["well"].consumers = 1;
  snapshot.topics["empty"];
  EXPECT_EQ(examine(snapshot).size(), 0U);
  snapshot.topics["alone"].pending = 5;
  snapshot.topics["alone"].dead_letters = 2;
  const std::vector<Finding> findings = examine(snapshot);
  ASSERT_EQ(findings.size(), 2U);
  EXPECT_EQ(findings[0].level, Level::critical);
  EXPECT_EQ(findings[0].subject, "topic alone");
  EXPECT_EQ(findings[1].level, Level::warning);
}

TEST(Doctor, TellsWhatHealthChecksTell) {
  HealthReport report;
  report.checks = {{"loop", "ok"}, {"redis", "gone"}};
  const std::vector<Finding> findings = examine(report);
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].subject, "redis");
  EXPECT_EQ(findings[0].seen, "gone");
}

}  // namespace
}  // namespace mx_rmq::queue
