#pragma once

#include <string>

#include "mx_rmq/task.hpp"

#include "broker/topic_broker.hpp"

namespace mx_rmq::broker {

/// Cancels messages of one topic. Loop thread only. The broker must outlive it and its tasks.
class Canceller {
 public:
  /// `command_timeout`: how long a reply is awaited before its call is sent again.
  Canceller(TopicBroker& broker, Duration command_timeout) noexcept
      : keys_(broker.keys()), caller_(broker.caller().each_within(command_timeout)) {}

  /// True: it was delayed or ready, and is gone. False: no such message, or in work, settled, dead,
  /// or moved while the search went on; it was not cancelled. Delayed ones are found at once; ready
  /// ones by a search through the lists from their tails, 1,000 a step. TimeoutError when the
  /// search has not ended by `deadline`: not cancelled. OutcomeUnknown when a reply was lost or
  /// late and the repeated search found nothing, or failed. Otherwise as ScriptCaller.
  Task<bool> cancel(std::string id, TimePoint deadline);

 private:
  Task<bool> search(std::string id, TimePoint deadline, bool* in_doubt);

  const TopicKeys& keys_;
  const ScriptCaller caller_;
};

}  // namespace mx_rmq::broker
