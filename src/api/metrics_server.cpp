#include "mx_rmq/metrics_server.hpp"

#include <stdexcept>
#include <utility>

namespace mx_rmq {

MetricsServerOptions::MetricsServerOptions() = default;

MetricsServerOptions& MetricsServerOptions::address(std::string where) {
  address_ = std::move(where);
  return *this;
}

MetricsServerOptions& MetricsServerOptions::port(std::uint16_t number) {
  port_ = number;
  return *this;
}

MetricsServerOptions& MetricsServerOptions::scope(MetricsScope scope) {
  scope_ = scope;
  return *this;
}

MetricsServerOptions& MetricsServerOptions::max_topics(std::size_t most) {
  if (most == 0) throw std::invalid_argument("max_topics: 0; at least 1 topic must be told");
  max_topics_ = most;
  return *this;
}

MetricsServerOptions& MetricsServerOptions::max_age(std::chrono::milliseconds age) {
  if (age.count() < 0) throw std::invalid_argument("max_age: it is negative");
  max_age_ = age;
  return *this;
}

}  // namespace mx_rmq
