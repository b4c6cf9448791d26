#pragma once

#include <string>
#include <unordered_set>
#include <vector>

#include "mx_rmq/task.hpp"

#include "broker/script_caller.hpp"

namespace mx_rmq::broker {

/// The set of topics seen at this Redis under one prefix, for tools. Loop thread only. The lane must outlive
/// it, and it must outlive its tasks.
class TopicSet {
 public:
  TopicSet(redis::Lane& lane, std::string prefix);

  /// True if note() of this topic has succeeded before: it need not be called.
  [[nodiscard]] bool noted(const std::string& topic) const { return noted_.contains(topic); }
  /// Adds the topic, unless this object has done so before. Errors as Lane::send and ServerError.
  Task<> note(std::string topic, TimePoint deadline);
  /// All topics, sorted.
  Task<std::vector<std::string>> list(TimePoint deadline);
  /// Takes a topic out of the set; its messages stay.
  Task<> forget(std::string topic, TimePoint deadline);

 private:
  redis::Lane* lane_;
  std::string key_;
  std::unordered_set<std::string> noted_;
};

}  // namespace mx_rmq::broker
