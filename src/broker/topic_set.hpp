#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mx_rmq/task.hpp"

#include "broker/scripts/script_caller.hpp"

namespace mx_rmq::broker {

/// The set of topics seen at this Redis under one prefix, for tools. Loop thread only. It must
/// outlive its tasks. Errors: see ScriptCaller::plain.
class TopicSet {
 public:
  TopicSet(ScriptCaller caller, std::string_view prefix);

  /// Adds the topic.
  Task<> note(std::string topic, TimePoint deadline);
  /// All topics, sorted.
  Task<std::vector<std::string>> list(TimePoint deadline);
  /// Takes a topic out of the set; its messages stay.
  Task<> forget(std::string topic, TimePoint deadline);

 private:
  const ScriptCaller caller_;
  const std::string key_;
};

}  // namespace mx_rmq::broker
