#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "mx_rmq/admin.hpp"
#include "mx_rmq/metrics.hpp"
#include "queue/doctor.hpp"
#include "queue/health.hpp"
#include "queue/server_facts.hpp"

namespace mx_rmq {
namespace {

void append(std::vector<Finding>& to, std::vector<Finding> more) {
  to.insert(to.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

// `admin` and `metrics` speak to the queue of `core`.
Task<std::vector<Finding>> find_all(std::shared_ptr<detail::QueueCore> core, Admin admin,
                                    MetricsCollector metrics) {
  const HealthReport health = co_await queue::check_health(core);
  std::vector<Finding> findings = queue::examine(health);
  const std::vector<queue::ServerFacts> servers = co_await queue::ask_servers(core);
  for (const auto& each : servers) append(findings, queue::examine(each, core->config()));
  std::vector<std::string> topics = co_await admin.topics();
  const MetricsSnapshot snapshot = co_await metrics.collect(std::move(topics));
  append(findings, queue::examine(snapshot));
  co_return findings;
}

}  // namespace

Task<std::vector<Finding>> Admin::diagnose() {
  return find_all(core_, *this, MetricsCollector(core_));
}

}  // namespace mx_rmq
