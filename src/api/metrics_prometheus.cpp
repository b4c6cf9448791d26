#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "api/counters.hpp"
#include "api/metrics_sum.hpp"
#include "api/metrics_text.hpp"
#include "api/version.hpp"
#include "mx_rmq/metrics.hpp"

namespace mx_rmq {
namespace {

using api::MetricsText;

std::string topic_label(const std::string& topic) { return MetricsText::label("topic", topic); }

std::string two_labels(const std::string& topic, std::string_view name, std::string_view value) {
  return topic_label(topic) + ',' + MetricsText::label(name, value);
}

// A family with one sample a topic; `value` gives a number.
template <class F>
void per_topic(MetricsText& out, const std::map<std::string, TopicMetrics>& topics,
               std::string_view name, std::string_view type, std::string_view help, F value) {
  out.family(name, type, help);
  for (const auto& [topic, metrics] : topics)
    out.sample(topic_label(topic), std::invoke(value, metrics));
}

void counters_of(MetricsText& out, const std::map<std::string, TopicMetrics>& topics) {
  for (const api::Counter& counter : api::counters)
    per_topic(out, topics, "messages_" + std::string(counter.name) + "_total", "counter",
              counter.help,
              [&](const TopicMetrics& each) { return each.counters.*counter.member; });
  out.family("messages_dead_by_reason_total", "counter",
             "Messages that became dead letters, by the reason.");
  for (const auto& [topic, metrics] : topics)
    for (const auto& [reason, count] : metrics.dead_by_reason)
      out.sample(two_labels(topic, "reason", reason), count);
}

void ages_of(MetricsText& out, const std::map<std::string, TopicMetrics>& topics) {
  out.family("oldest_message_age_seconds", "gauge",
             "Time since the next message of a kind was first due; 0 if none waits.");
  for (const auto& [topic, metrics] : topics)
    for (const api::Age& age : api::ages) {
      const auto waits = (metrics.ages.*age.member).value_or(std::chrono::milliseconds(0));
      const double seconds = std::chrono::duration<double>(waits).count();
      out.sample(two_labels(topic, "priority", age.name), MetricsText::number(seconds));
    }
}

}  // namespace

std::string MetricsSnapshot::to_prometheus() const {
  MetricsText out(MetricsFormat::prometheus);
  out.family("messages", "gauge", "Messages of a topic, by what they are doing.");
  for (const auto& [topic, metrics] : topics) {
    out.sample(two_labels(topic, "state", "pending"), metrics.pending);
    out.sample(two_labels(topic, "state", "processing"), metrics.processing);
    out.sample(two_labels(topic, "state", "delayed"), metrics.delayed);
  }
  per_topic(out, topics, "dead_letters", "gauge", "Dead letters of a topic.",
            &TopicMetrics::dead_letters);
  per_topic(out, topics, "suspects", "gauge", "Waiting messages that are to be run alone.",
            &TopicMetrics::suspects);
  per_topic(out, topics, "consumers", "gauge", "Consumers of a topic that are known to Redis.",
            &TopicMetrics::consumers);
  per_topic(out, topics, "processing_time_avg_seconds", "gauge",
            "Mean run time of this process's handlers.",
            [](const TopicMetrics& each) { return MetricsText::number(each.avg_time_ms / 1000); });
  per_topic(out, topics, "processing_time_max_seconds", "gauge",
            "Longest run of this process's handlers.",
            [](const TopicMetrics& each) { return MetricsText::number(each.max_time_ms / 1000); });
  ages_of(out, topics);
  counters_of(out, topics);
  out.single("messages_per_minute", "gauge",
             "Messages completed by this process in the last minute.",
             MetricsText::number(messages_per_minute));
  out.single("handlers_active", "gauge", "Handlers running in this process.",
             std::to_string(handlers_active));
  out.single("zombies", "gauge", "Runs past their deadline that have not ended yet.",
             std::to_string(zombies));
  out.single("local_queue_size", "gauge", "Messages prefetched by this process and not begun.",
             std::to_string(local_queue_size));
  out.single("reconnects_total", "counter", "Connections to Redis made anew by this process.",
             std::to_string(reconnects));
  return out.take();
}

namespace {

// The first `most` topics by name, and the sum of the others as "_other".
std::map<std::string, TopicMetrics> at_most(const std::map<std::string, TopicMetrics>& topics,
                                            std::size_t most) {
  if (topics.size() <= most) return topics;
  std::map<std::string, TopicMetrics> out;
  auto each = topics.begin();
  for (; out.size() < most; ++each) out.insert(*each);
  TopicMetrics& rest = out["_other"];
  for (; each != topics.end(); ++each) api::add_metrics(rest, each->second);
  return out;
}

void write_cluster(MetricsText& out, const MetricsSnapshot& all,
                   const std::map<std::string, TopicMetrics>& topics) {
  out.family("messages", "gauge", "Messages of a topic, by where they are.");
  for (const auto& [topic, metrics] : topics) {
    out.sample(two_labels(topic, "state", "waiting"), metrics.pending);
    out.sample(two_labels(topic, "state", "delayed"), metrics.delayed);
    out.sample(two_labels(topic, "state", "held"), metrics.processing);
    out.sample(two_labels(topic, "state", "dead"), metrics.dead_letters);
  }
  per_topic(out, topics, "suspects", "gauge", "Waiting messages that are to be run alone.",
            &TopicMetrics::suspects);
  per_topic(out, topics, "consumers", "gauge",
            "Consumers of a topic that hold messages or did so lately.", &TopicMetrics::consumers);
  per_topic(out, topics, "topic_paused", "gauge", "1 while nothing of the topic is handed out.",
            [](const TopicMetrics& each) { return std::int64_t{each.paused}; });
  ages_of(out, topics);
  counters_of(out, topics);
  if (all.redis_memory) {
    out.single("redis_memory_used_bytes", "gauge",
               "Memory that Redis uses; on a Cluster of the node that is fullest.",
               std::to_string(all.redis_memory->used));
    out.single("redis_memory_max_bytes", "gauge", "Memory that Redis may use; 0 is no limit.",
               std::to_string(all.redis_memory->most));
  }
}

void write_process(MetricsText& out, const MetricsSnapshot& all,
                   const std::map<std::string, TopicMetrics>& topics) {
  out.family("handler_duration_seconds", "histogram", "Runs of handlers, by how they ended.");
  for (const auto& [topic, metrics] : topics)
    for (const auto& [outcome, times] : metrics.run_times)
      out.histogram(two_labels(topic, "outcome", outcome), times);
  out.family("message_wait_seconds", "histogram", "From when a message was due to its first run.");
  for (const auto& [topic, metrics] : topics)
    if (metrics.handled_here) out.histogram(topic_label(topic), metrics.wait_times);
  out.single("loop_lag_seconds", "gauge",
             "Longest time in the last minute for which the loop looked at nothing new.",
             MetricsText::number(std::chrono::duration<double>(all.loop_lag).count()));
  out.single("handlers_active", "gauge", "Handlers that run now.",
             std::to_string(all.handlers_active));
  out.single("zombies", "gauge", "Runs past their deadline that have not ended yet.",
             std::to_string(all.zombies));
  out.single("local_queue_size", "gauge", "Messages that were prefetched and not begun.",
             std::to_string(all.local_queue_size));
  out.single("reconnects_total", "counter", "Connections to Redis that were made anew.",
             std::to_string(all.reconnects));
}

}  // namespace

std::string MetricsSnapshot::to_text(MetricsScope scope, MetricsFormat format,
                                     std::size_t max_topics) const {
  MetricsText out(format);
  const std::map<std::string, TopicMetrics> shown = at_most(topics, max_topics);
  if (scope == MetricsScope::cluster) {
    out.single("up", "gauge", "Whether Redis answered.", redis_answered ? "1" : "0");
    if (redis_answered) write_cluster(out, *this, shown);
  } else {
    write_process(out, *this, shown);
  }
  out.family("build_info", "gauge", "1, with the version of the library as a label.");
  out.sample(MetricsText::label("version", api::library_version), std::string("1"));
  return out.take();
}

}  // namespace mx_rmq
