#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "broker/message_looker.hpp"
#include "broker/scripts/calls_change.hpp"
#include "broker/topic_broker.hpp"
#include "mx_rmq/task.hpp"

namespace mx_rmq::broker {

/// Changes messages of one topic that no consumer holds, each call with `timeout` of its own. Loop
/// thread only. The broker must outlive it and its tasks. Errors: see ScriptCaller. `*repeated`,
/// which outlives the task, becomes true if an earlier copy of the call may have been executed.
class MessageChanger {
 public:
  MessageChanger(TopicBroker& broker, Duration timeout) noexcept
      : broker_(&broker), timeout_(timeout) {}

  /// Makes delayed messages ready, at most 1,000; of each id whether there was one.
  Task<std::vector<bool>> promote(std::vector<std::string> ids, bool* repeated);
  /// When a delayed message is due, or its priority. False: there is none with that id.
  Task<bool> reschedule(std::string id, std::optional<std::int64_t> due,
                        std::optional<MessagePriority> priority, bool* repeated);
  /// Moves one that waited where it was seen to the delayed ones, or to another priority. False: it
  /// is not there any more.
  Task<bool> displace(std::string id, Sighting seen, std::optional<std::int64_t> due,
                      MessagePriority priority, bool* repeated);

  /// Throw away what was there, and had been produced, when it began; how many went.
  /// OutcomeUnknown, after everything has been done, when the reply of a step was lost, so that the
  /// number is not known.
  Task<std::int64_t> purge_lists(std::vector<List> lists);
  Task<std::int64_t> purge_delayed();

 private:
  [[nodiscard]] TimePoint deadline() const { return broker_->loop().now() + timeout_; }

  TopicBroker* broker_;
  Duration timeout_;
};

}  // namespace mx_rmq::broker
