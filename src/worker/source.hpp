#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include "broker/topic_broker.hpp"
#include "mx_rmq/detail/erase_handler.hpp"
#include "redis/topology/client.hpp"
#include "runtime/executor_jobs.hpp"
#include "worker/consumer.hpp"
#include "worker/retry_policy.hpp"

namespace mx_rmq::worker {

/// What a queue handles under one name. Never changes.
struct Topic {
  std::string name;
  detail::ErasedHandler handler;
  Policy policy;
  runtime::ExecutorJobs::Executor executor;  // none: the blocking pool
  std::size_t max_concurrency = 0;           // 0 = none of its own
};

/// Where messages of a topic come from: its keys and scripts over one route, and this queue's
/// consumer there. There is one a topic. What a part of the worker notes about a source it keeps in
/// a record of its own, by the source's id. Loop thread only.
struct Source {
  Source(std::size_t number, Topic what, redis::Client& client, const MQConfig& config,
         Quarantine::Member& member, LookAgain& look_again, Consumer::Lost lost)
      : id(number),
        topic(std::move(what)),
        broker(client.route(redis::LaneRole::consume, topic.name),
               broker::TopicKeys(config.queue_prefix, topic.name)),
        consumer(*this, broker, config, member, look_again, std::move(lost)) {}

  const std::size_t id;  // from 0, without gaps
  const Topic topic;
  broker::TopicBroker broker;
  Consumer consumer;
};

}  // namespace mx_rmq::worker
