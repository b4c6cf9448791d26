#include "mx_rmq/topic_settings.hpp"

namespace mx_rmq {

TopicSettings::TopicSettings() = default;

TopicSettings& TopicSettings::partitions(int partitions) {
  partitions_ = partitions;
  return *this;
}

TopicSettings& TopicSettings::rate(std::int64_t messages, std::chrono::milliseconds per) {
  rate_ = Rate{messages, per};
  return *this;
}

TopicSettings& TopicSettings::concurrency(int concurrency) {
  concurrency_ = concurrency;
  return *this;
}

TopicSettings& TopicSettings::max_length(std::int64_t messages, WhenFull when_full) {
  max_length_ = MaxLength{messages, when_full};
  return *this;
}

TopicSettings& TopicSettings::group_concurrency(int concurrency) {
  group_concurrency_ = concurrency;
  return *this;
}

TopicSettings& TopicSettings::group_rate(std::int64_t messages, std::chrono::milliseconds per) {
  group_rate_ = Rate{messages, per};
  return *this;
}

}  // namespace mx_rmq
