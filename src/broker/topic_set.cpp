#include "broker/topic_set.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "broker/data/keys.hpp"

namespace mx_rmq::broker {

TopicSet::TopicSet(ScriptCaller caller, std::string_view prefix)
    : caller_(caller), key_(topics_key(prefix)) {}

Task<> TopicSet::note(std::string topic, TimePoint deadline) {
  redis::Command command = redis::Command::of("SADD", key_, topic);
  co_await caller_.plain(std::move(command), deadline);
}

Task<std::vector<std::string>> TopicSet::list(TimePoint deadline) {
  std::set<std::string> topics;  // SSCAN may tell one twice
  std::string cursor = "0";
  do {
    redis::Command command = redis::Command::of("SSCAN", key_, cursor, "COUNT", 1'000);
    redis::Reply reply = co_await caller_.plain(std::move(command), deadline);
    cursor = reply.at(0).take_string();
    for (redis::Reply& each : reply.at(1).as_array()) topics.insert(each.take_string());
  } while (cursor != "0");
  std::vector<std::string> out;
  out.reserve(topics.size());
  while (!topics.empty()) out.push_back(std::move(topics.extract(topics.begin()).value()));
  co_return out;
}

Task<> TopicSet::forget(std::string topic, TimePoint deadline) {
  redis::Command command = redis::Command::of("SREM", key_, topic);
  co_await caller_.plain(std::move(command), deadline);
}

}  // namespace mx_rmq::broker
