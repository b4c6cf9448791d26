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
  std::size_t id = 0;  // from 0, without gaps
  std::string name;
  detail::ErasedHandler handler;
  Policy policy;
  runtime::ExecutorJobs::Executor executor;  // none: the blocking pool
  std::size_t max_concurrency = 0;           // 0 = none of its own
};

/// Where messages of a topic come from: the keys and scripts of one of its partitions over one
/// route, and this queue's consumer there. What a part of the worker notes about a source it keeps
/// in a record of its own, by the source's id; what concerns all sources of a topic, by the topic's
/// id. Loop thread only.
struct Source {
  /// `what` must outlive it.
  Source(std::size_t number, const Topic& what, int of_partition, const broker::TopicKeys& keys,
         redis::Client& client, const MQConfig& config, Quarantine::Member& member,
         LookAgain& look_again, Consumer::Lost lost)
      : id(number),
        topic(what),
        partition(of_partition),
        broker(client.route(redis::LaneRole::consume, keys.tag()), keys),
        consumer(*this, broker, config, member, look_again, std::move(lost)) {}

  const std::size_t id;  // from 0, without gaps
  const Topic& topic;
  const int partition;
  int partitions = 1;  // of the topic, as far as is known
  broker::TopicBroker broker;
  Consumer consumer;
};

}  // namespace mx_rmq::worker
