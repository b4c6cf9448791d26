#include <charconv>
#include <cmath>
#include <functional>
#include <string>
#include <string_view>

#include "api/counters.hpp"
#include "mx_rmq/metrics.hpp"

namespace mx_rmq {
namespace {

std::string number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  char buffer[32];
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, value);
  return error == std::errc{} ? std::string(buffer, end) : "NaN";
}

std::string number(std::int64_t value) { return std::to_string(value); }

/// The text of a label's value: backslash, quote and newline are escaped.
std::string label(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\')
      out += "\\\\";
    else if (c == '"')
      out += "\\\"";
    else if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
  return out;
}

/// Writes families one after the other: HELP, TYPE, then all their samples together.
class Writer {
 public:
  explicit Writer(const MetricsSnapshot& snapshot) : snapshot_(snapshot) {}

  void family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = "mx_rmq_";
    name_ += name;
    out_ += "# HELP " + name_ + ' ' + std::string(help) + '\n';
    out_ += "# TYPE " + name_ + ' ' + std::string(type) + '\n';
  }

  void sample(const std::string& labels, const std::string& value) {
    out_ += name_ + (labels.empty() ? "" : '{' + labels + '}') + ' ' + value + '\n';
  }

  /// A family with one sample a topic.
  template <class F>
  void per_topic(std::string_view name, std::string_view type, std::string_view help, F value) {
    family(name, type, help);
    for (const auto& [topic, metrics] : snapshot_.topics)
      sample("topic=\"" + label(topic) + '"', number(std::invoke(value, metrics)));
  }

  void single(std::string_view name, std::string_view type, std::string_view help,
              const std::string& value) {
    family(name, type, help);
    sample("", value);
  }

  void messages_by_state() {
    family("messages", "gauge", "Messages of a topic, by what they are doing.");
    for (const auto& [topic, metrics] : snapshot_.topics) {
      const std::string of_topic = "topic=\"" + label(topic) + "\",state=";
      sample(of_topic + "\"pending\"", number(metrics.pending));
      sample(of_topic + "\"processing\"", number(metrics.processing));
      sample(of_topic + "\"delayed\"", number(metrics.delayed));
    }
  }

  std::string take() { return std::move(out_); }

 private:
  const MetricsSnapshot& snapshot_;
  std::string name_;
  std::string out_;
};

}  // namespace

std::string MetricsSnapshot::to_prometheus() const {
  Writer out(*this);
  out.messages_by_state();
  out.per_topic("dead_letters", "gauge", "Dead letters of a topic.", &TopicMetrics::dead_letters);
  out.per_topic("suspects", "gauge", "Waiting messages that are to be run alone.",
                &TopicMetrics::suspects);
  out.per_topic("consumers", "gauge", "Consumers of a topic that are known to Redis.",
                &TopicMetrics::consumers);
  out.per_topic("processing_time_avg_seconds", "gauge", "Mean run time of this process's handlers.",
                [](const TopicMetrics& each) { return each.avg_time_ms / 1000; });
  out.per_topic("processing_time_max_seconds", "gauge", "Longest run of this process's handlers.",
                [](const TopicMetrics& each) { return each.max_time_ms / 1000; });
  for (const api::Counter& counter : api::counters)
    out.per_topic("messages_" + std::string(counter.name) + "_total", "counter", counter.help,
                  [&](const TopicMetrics& each) { return each.counters.*counter.member; });
  out.single("messages_per_minute", "gauge",
             "Messages completed by this process in the last minute.", number(messages_per_minute));
  out.single("handlers_active", "gauge", "Handlers running in this process.",
             number(handlers_active));
  out.single("zombies", "gauge", "Runs past their deadline that have not ended yet.",
             number(zombies));
  out.single("local_queue_size", "gauge", "Messages prefetched by this process and not begun.",
             number(local_queue_size));
  out.single("reconnects_total", "counter", "Connections to Redis made anew by this process.",
             number(reconnects));
  return out.take();
}

}  // namespace mx_rmq
