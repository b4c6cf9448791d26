#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "broker/canceller.hpp"
#include "broker/dead_letter_store.hpp"
#include "broker/producer.hpp"
#include "broker/topic_broker.hpp"
#include "broker/topic_stats.hpp"
#include "mx_rmq/config.hpp"
#include "redis/client.hpp"
#include "runtime/scope.hpp"

namespace mx_rmq::queue {

/// What the facade does with one topic besides consuming it: produces over the client's first lane,
/// and looks and moves things over its second. Loop thread only.
struct TopicPort {
  TopicPort(redis::Client& client, runtime::Scope& scope, const MQConfig& config,
            const std::string& topic);

  broker::TopicBroker broker;
  broker::Canceller canceller;
  broker::DeadLetterStore dead_letters;
  broker::TopicStats stats;
  broker::Producer producer;
  bool noted = false;  // the topic is on its way into the set of topics
};

}  // namespace mx_rmq::queue
