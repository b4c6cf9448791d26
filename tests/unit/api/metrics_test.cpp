#include "mx_rmq/metrics.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "api/counters.hpp"
#include "support/paths.hpp"

namespace mx_rmq {
namespace {

MetricsSnapshot sample() {
  MetricsSnapshot snapshot;
  TopicMetrics& orders = snapshot.topics["orders.eu"];
  orders.pending = 10;
  orders.processing = 2;
  orders.delayed = 3;
  orders.dead_letters = 4;
  orders.suspects = 1;
  orders.consumers = 2;
  orders.avg_time_ms = 12.5;
  orders.max_time_ms = 1500;
  std::int64_t n = 100;
  for (const api::Counter& counter : api::counters) orders.counters.*counter.member = n++;
  TopicMetrics& mail = snapshot.topics["mail"];
  mail.dead_letters = 6;
  snapshot.messages_per_minute = 90.25;
  snapshot.handlers_active = 5;
  snapshot.zombies = 1;
  snapshot.local_queue_size = 8;
  snapshot.reconnects = 7;
  return snapshot;
}

TEST(Metrics, JsonHasTheContractsNames) {
  const nlohmann::json out = sample().to_json();
  EXPECT_EQ(out.at("queue.orders.eu.pending"), 10);
  EXPECT_EQ(out.at("queue.orders.eu.processing"), 2);
  EXPECT_EQ(out.at("queue.orders.eu.delayed"), 3);
  EXPECT_EQ(out.at("queue.orders.eu.total"), 15);
  EXPECT_EQ(out.at("queue.orders.eu.dead_letters"), 4);
  EXPECT_EQ(out.at("queue.dlq.count"), 10);
  EXPECT_EQ(out.at("processing.orders.eu.avg_time"), 12.5);
  EXPECT_EQ(out.at("processing.orders.eu.max_time"), 1500);
  EXPECT_EQ(out.at("throughput.messages_per_minute"), 90.25);
  EXPECT_EQ(out.at("counters.orders.eu.produced"), 100);
  EXPECT_EQ(out.at("counters.mail.produced"), 0);
  EXPECT_EQ(out.at("local.handlers_active"), 5);
  EXPECT_EQ(out.at("local.zombies"), 1);
  EXPECT_EQ(out.at("local.queue_size"), 8);
  EXPECT_EQ(out.at("local.reconnects"), 7);
  EXPECT_EQ(out.size(), 2 * (9 + api::counters.size()) + 6);
}

TEST(Metrics, TopicsNamedLikeFieldsDoNotOverwriteOthers) {
  MetricsSnapshot snapshot;
  std::int64_t n = 1;
  for (const char* topic : {"a", "a.pending", "dlq", "dlq.count", "pending"}) {
    snapshot.topics[topic].pending = n++;
    snapshot.topics[topic].dead_letters = 1;
  }
  const nlohmann::json out = snapshot.to_json();
  EXPECT_EQ(out.at("queue.dlq.count"), 5);
  EXPECT_EQ(out.at("queue.a.pending"), 1);
  EXPECT_EQ(out.at("queue.a.pending.pending"), 2);
  EXPECT_EQ(out.at("queue.dlq.pending"), 3);
  EXPECT_EQ(out.size(), 5 * (9 + api::counters.size()) + 6);
}

/// A sample line of the text format.
struct Sample {
  std::string name;
  std::map<std::string, std::string> labels;
  std::string value;
};

/// Reads the whole text by the format's rules; adds a failure for each line that breaks them.
std::vector<Sample> parse(const std::string& text) {
  static const std::regex help("# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) [^\n]+");
  static const std::regex type("# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram)");
  static const std::regex line_form(
      R"re(([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\]|\\["\\n])*",?)*)\})? (\S+))re");
  static const std::regex label(R"re(([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\["\\n])*)")re");
  EXPECT_TRUE(text.ends_with('\n'));
  std::vector<Sample> samples;
  std::set<std::string> families;
  std::set<std::string> series;
  std::string family;
  std::string kind;
  std::string helped;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (std::regex_match(line, match, help)) {
      helped = match[1];
      EXPECT_TRUE(families.insert(helped).second) << "family twice: " << line;
    } else if (std::regex_match(line, match, type)) {
      family = match[1];
      kind = match[2];
      EXPECT_EQ(family, helped) << line;
      EXPECT_EQ(kind == "counter", family.ends_with("_total")) << line;
    } else if (std::regex_match(line, match, line_form)) {
      Sample sample{match[1], {}, match[3]};
      static const std::regex of_histogram("_(bucket|sum|count)$");
      const std::string of =
          kind == "histogram" ? std::regex_replace(sample.name, of_histogram, "") : sample.name;
      EXPECT_EQ(of, family) << line;
      EXPECT_TRUE(sample.name.starts_with("mx_rmq_")) << line;
      const std::string labels = match[2];
      EXPECT_TRUE(series.insert(sample.name + labels).second) << "series twice: " << line;
      for (std::sregex_iterator at(labels.begin(), labels.end(), label), end; at != end; ++at)
        sample.labels[(*at)[1]] = (*at)[2];
      std::size_t used = 0;
      if (sample.value != "NaN" && sample.value != "+Inf") {
        (void)std::stod(sample.value, &used);
        EXPECT_EQ(used, sample.value.size()) << line;
      }
      samples.push_back(sample);
    } else {
      ADD_FAILURE() << "no line of the format: " << line;
    }
  }
  return samples;
}

std::string value_of(const std::vector<Sample>& samples, const std::string& name,
                     const std::map<std::string, std::string>& labels = {}) {
  for (const Sample& sample : samples)
    if (sample.name == name && sample.labels == labels) return sample.value;
  return "missing";
}

TEST(Metrics, PrometheusTextFollowsTheFormatAndHasEveryFigure) {
  const auto samples = parse(sample().to_prometheus());
  const std::map<std::string, std::string> orders = {{"topic", "orders.eu"}};
  const auto state = [](const char* name) {
    return std::map<std::string, std::string>{{"topic", "orders.eu"}, {"state", name}};
  };
  EXPECT_EQ(value_of(samples, "mx_rmq_messages", state("pending")), "10");
  EXPECT_EQ(value_of(samples, "mx_rmq_messages", state("processing")), "2");
  EXPECT_EQ(value_of(samples, "mx_rmq_messages", state("delayed")), "3");
  EXPECT_EQ(value_of(samples, "mx_rmq_dead_letters", orders), "4");
  EXPECT_EQ(value_of(samples, "mx_rmq_processing_time_avg_seconds", orders), "0.0125");
  EXPECT_EQ(value_of(samples, "mx_rmq_processing_time_max_seconds", orders), "1.5");
  std::int64_t n = 100;
  for (const api::Counter& counter : api::counters)
    EXPECT_EQ(value_of(samples, "mx_rmq_messages_" + std::string(counter.name) + "_total", orders),
              std::to_string(n++));
  EXPECT_EQ(value_of(samples, "mx_rmq_messages_per_minute"), "90.25");
  EXPECT_EQ(value_of(samples, "mx_rmq_handlers_active"), "5");
  EXPECT_EQ(value_of(samples, "mx_rmq_zombies"), "1");
  EXPECT_EQ(value_of(samples, "mx_rmq_local_queue_size"), "8");
  EXPECT_EQ(value_of(samples, "mx_rmq_reconnects_total"), "7");
}

TEST(Metrics, PrometheusEscapesLabelsAndSpecialNumbers) {
  MetricsSnapshot snapshot;
  snapshot.topics["a\"b\\c\nd"].pending = 1;
  snapshot.messages_per_minute = std::numeric_limits<double>::quiet_NaN();
  const auto samples = parse(snapshot.to_prometheus());
  EXPECT_EQ(value_of(samples, "mx_rmq_dead_letters", {{"topic", "a\\\"b\\\\c\\nd"}}), "0");
  EXPECT_EQ(value_of(samples, "mx_rmq_messages_per_minute"), "NaN");
  (void)parse(MetricsSnapshot().to_prometheus());
}

/// Everything that can be told.
MetricsSnapshot full_sample() {
  MetricsSnapshot snapshot = sample();
  TopicMetrics& orders = snapshot.topics["orders.eu"];
  orders.handled_here = true;
  orders.ages.low = std::chrono::milliseconds(1'500);
  orders.ages.due = std::chrono::milliseconds(250);
  orders.dead_by_reason["poison"] = 3;
  orders.run_times["completed"].add(std::chrono::milliseconds(7));
  orders.run_times["completed"].add(std::chrono::seconds(400));
  orders.wait_times.add(std::chrono::milliseconds(-5));
  snapshot.redis_memory = RedisMemory{70, 100};
  snapshot.loop_lag = std::chrono::milliseconds(20);
  return snapshot;
}

TEST(Metrics, EachFigureIsInOneScope) {
  const auto cluster =
      parse(full_sample().to_text(MetricsScope::cluster, MetricsFormat::prometheus));
  const auto process =
      parse(full_sample().to_text(MetricsScope::process, MetricsFormat::prometheus));
  std::set<std::string> names;
  for (const Sample& each : cluster) names.insert(each.name);
  for (const Sample& each : process)
    EXPECT_TRUE(each.name == "mx_rmq_build_info" || !names.contains(each.name)) << each.name;
  using Labels = std::map<std::string, std::string>;
  const auto with = [](const char* name, const char* value) {
    return Labels{{"topic", "orders.eu"}, {name, value}};
  };
  EXPECT_EQ(value_of(cluster, "mx_rmq_messages", with("state", "waiting")), "10");
  EXPECT_EQ(value_of(cluster, "mx_rmq_messages", with("state", "held")), "2");
  EXPECT_EQ(value_of(cluster, "mx_rmq_messages", with("state", "dead")), "4");
  const std::string age = "mx_rmq_oldest_message_age_seconds";
  EXPECT_EQ(value_of(cluster, age, with("priority", "low")), "1.5");
  EXPECT_EQ(value_of(cluster, age, with("priority", "high")), "0");
  EXPECT_EQ(value_of(cluster, "mx_rmq_messages_dead_by_reason_total", with("reason", "poison")),
            "3");
  EXPECT_EQ(value_of(cluster, "mx_rmq_redis_memory_max_bytes"), "100");
  EXPECT_EQ(value_of(process, "mx_rmq_loop_lag_seconds"), "0.02");
  const auto bucket = [](const char* bound) {
    return Labels{{"topic", "orders.eu"}, {"outcome", "completed"}, {"le", bound}};
  };
  const std::string runs = "mx_rmq_handler_duration_seconds";
  EXPECT_EQ(value_of(process, runs + "_bucket", bucket("0.005")), "0");
  EXPECT_EQ(value_of(process, runs + "_bucket", bucket("0.01")), "1");
  EXPECT_EQ(value_of(process, runs + "_bucket", bucket("300")), "1");
  EXPECT_EQ(value_of(process, runs + "_bucket", bucket("+Inf")), "2");
  EXPECT_EQ(value_of(process, runs + "_sum", with("outcome", "completed")), "400.007");
  EXPECT_EQ(value_of(process, "mx_rmq_message_wait_seconds_count", {{"topic", "orders.eu"}}), "1");
}

TEST(Metrics, OpenMetricsNamesFamiliesWithoutTotalAndHasAnEnd) {
  const std::string text = full_sample().to_text(MetricsScope::cluster);
  EXPECT_TRUE(text.ends_with("\n# EOF\n"));
  EXPECT_NE(text.find("# TYPE mx_rmq_messages_produced counter\n"
                      "mx_rmq_messages_produced_total{topic="),
            std::string::npos)
      << text;
  EXPECT_EQ(text.find("# TYPE mx_rmq_messages_produced_total"), std::string::npos);
}

TEST(Metrics, ManyTopicsAreToldTogetherAndNoneWithoutRedis) {
  MetricsSnapshot snapshot;
  for (int i = 10; i < 20; ++i) {
    TopicMetrics& topic = snapshot.topics["t" + std::to_string(i)];
    topic.pending = 1;
    topic.consumers = i;
    topic.ages.high = std::chrono::seconds(i);
    topic.dead_by_reason["decode"] = 2;
  }
  const auto few = parse(snapshot.to_text(MetricsScope::cluster, MetricsFormat::prometheus, 7));
  EXPECT_EQ(value_of(few, "mx_rmq_messages", {{"topic", "t16"}, {"state", "waiting"}}), "1");
  EXPECT_EQ(value_of(few, "mx_rmq_messages", {{"topic", "t17"}, {"state", "waiting"}}), "missing");
  EXPECT_EQ(value_of(few, "mx_rmq_messages", {{"topic", "_other"}, {"state", "waiting"}}), "3");
  EXPECT_EQ(value_of(few, "mx_rmq_consumers", {{"topic", "_other"}}), "19");
  EXPECT_EQ(value_of(few, "mx_rmq_oldest_message_age_seconds",
                     {{"topic", "_other"}, {"priority", "high"}}),
            "19");
  EXPECT_EQ(value_of(few, "mx_rmq_messages_dead_by_reason_total",
                     {{"topic", "_other"}, {"reason", "decode"}}),
            "6");
  snapshot.redis_answered = false;
  const auto away = parse(snapshot.to_text(MetricsScope::cluster, MetricsFormat::prometheus));
  EXPECT_EQ(value_of(away, "mx_rmq_up"), "0");
  EXPECT_EQ(away.size(), 2U) << "and the version";
}

TEST(Metrics, WhatAlertsAndTheDashboardNameIsServed) {
  std::set<std::string> served;
  for (const MetricsScope scope : {MetricsScope::cluster, MetricsScope::process})
    for (const Sample& each : parse(full_sample().to_text(scope, MetricsFormat::prometheus)))
      served.insert(each.name);
  std::size_t named = 0;
  for (const char* path : {"ops/prometheus/mx_rmq_rules.yml", "ops/grafana/mx_rmq.json"}) {
    std::ifstream in(test::source_path(path));
    const std::string text((std::istreambuf_iterator<char>(in)), {});
    static const std::regex name("(mx_rmq_[a-z_]+)(?=[{ )\\[])");
    for (std::sregex_iterator at(text.begin(), text.end(), name), end; at != end; ++at) {
      ++named;
      EXPECT_TRUE(served.contains(at->str())) << path << ": " << at->str();
    }
  }
  EXPECT_GT(named, 30U);
}

TEST(Metrics, EveryCounterOfTheTypeIsInTheTable) {
  static_assert(sizeof(MessageCounters) == api::counters.size() * sizeof(std::int64_t));
  std::set<std::string_view> names;
  for (const api::Counter& counter : api::counters) names.insert(counter.name);
  EXPECT_EQ(names.size(), api::counters.size());
}

TEST(Status, StartsAsNothing) {
  const HealthReport report;
  EXPECT_FALSE(report.healthy);
  const QueueStatus status;
  EXPECT_FALSE(status.running || status.initialized || status.shutting_down);
  EXPECT_EQ(status.uptime.count(), 0);
}

}  // namespace
}  // namespace mx_rmq
