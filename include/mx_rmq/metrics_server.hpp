#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "mx_rmq/metrics.hpp"

namespace mx_rmq {

/// How RedisMessageQueue::serve_metrics() answers.
class MetricsServerOptions {
 public:
  /// At 127.0.0.1, at a port that is free, about this process.
  MetricsServerOptions();

  /// Where to listen, an IPv4 or IPv6 address in numbers; "0.0.0.0" is everywhere. There is no
  /// login: whoever reaches the address sees the names of the topics and their figures.
  MetricsServerOptions& address(std::string where);
  /// 0: one that is free.
  MetricsServerOptions& port(std::uint16_t number);
  /// What to tell. Of the cluster's scope one server for each Redis is enough.
  MetricsServerOptions& scope(MetricsScope scope);
  /// MetricsSnapshot::to_text(): the rest is told as "_other". At least 1.
  MetricsServerOptions& max_topics(std::size_t most);
  /// In the cluster's scope: for how long what was collected is told again; so Redis is asked no
  /// more often, by however many. Not negative.
  MetricsServerOptions& max_age(std::chrono::milliseconds age);

  /// What was set, or the default.
  [[nodiscard]] const std::string& address() const noexcept { return address_; }
  /// What was set, or the default.
  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  /// What was set, or the default.
  [[nodiscard]] MetricsScope scope() const noexcept { return scope_; }
  /// What was set, or the default.
  [[nodiscard]] std::size_t max_topics() const noexcept { return max_topics_; }
  /// What was set, or the default.
  [[nodiscard]] std::chrono::milliseconds max_age() const noexcept { return max_age_; }

 private:
  std::string address_ = "127.0.0.1";
  std::uint16_t port_ = 0;
  MetricsScope scope_ = MetricsScope::process;
  std::size_t max_topics_ = 500;
  std::chrono::milliseconds max_age_{5'000};
};

}  // namespace mx_rmq
