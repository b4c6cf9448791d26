#include "broker/data/keys.hpp"

#include "broker/data/partitions.hpp"

namespace mx_rmq::broker {

namespace {

std::string_view or_default(std::string_view prefix) { return prefix.empty() ? "mx" : prefix; }

std::string join(std::string_view a, std::string_view b, std::string_view c = {}) {
  std::string out;
  out.reserve(a.size() + b.size() + c.size());
  return out.append(a).append(b).append(c);
}

}  // namespace

TopicKeys::TopicKeys(std::string_view prefix, std::string_view topic, int partition)
    : topic_(topic), tag_(partition_tag(topic, partition)) {
  base_.append(or_default(prefix)).append(":{").append(tag_).append("}:");
  ready_ = {base_ + "ready:high", base_ + "ready:normal", base_ + "ready:low",
            base_ + "ready:suspect"};
  delayed = base_ + "delayed";
  delayed_data = base_ + "delayed:data";
  consumers = base_ + "consumers";
  dlq = base_ + "dlq";
  dlq_data = base_ + "dlq:data";
  ids = base_ + "ids";
  idle = base_ + "idle";
  stats = base_ + "stats";
  settings = base_ + "settings";
  history_1m = base_ + "history:1m";
  history_10m = base_ + "history:10m";
}

std::string TopicKeys::processing(std::string_view consumer) const {
  return join(base_, "processing:", consumer);
}

std::string TopicKeys::answers(std::string_view token) const {
  return join(base_, "answers:", token);
}

std::string TopicKeys::channel(std::string_view alias) const { return join(base_, "to:", alias); }

std::string TopicKeys::producer(std::string_view id) const { return join(base_, "producer:", id); }

std::string topics_key(std::string_view prefix) { return join(or_default(prefix), ":topics"); }

}  // namespace mx_rmq::broker
