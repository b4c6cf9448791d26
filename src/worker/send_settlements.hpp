#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "broker/topic_broker.hpp"
#include "mx_rmq/task.hpp"
#include "worker/settler.hpp"

namespace mx_rmq::worker {

/// How Redis answered a call of settlements.
struct Settled {
  bool lost = false;                 // the consumer was reaped: nothing was changed
  std::int64_t dead_letters = -1;    // dead: how many there are now; else -1
  std::vector<std::string> dropped;  // dead: members that the cap dropped
};

/// Where settlements are sent from.
struct SettlementSender {
  broker::TopicBroker& broker;
  std::string consumer;
  std::int64_t dead_cap = 0;
  runtime::TimePoint deadline;
  std::uint64_t epoch = 0;
};

/// Sends `group`, all of one ending, once. Errors as ScriptCaller. `group` must outlive the task.
Task<Settled> send_settlements(SettlementSender sender, const std::vector<Settlement>& group);

}  // namespace mx_rmq::worker
