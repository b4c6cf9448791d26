#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "broker/canceller.hpp"
#include "broker/dead_letter_store.hpp"
#include "broker/produce/producer.hpp"
#include "broker/settings_watch.hpp"
#include "broker/topic_broker.hpp"
#include "mx_rmq/config.hpp"
#include "redis/topology/client.hpp"
#include "runtime/scope.hpp"

namespace mx_rmq::queue {

/// What the facade does with one topic besides consuming it: produces, and, over another lane,
/// looks at it and moves things. Loop thread only.
struct TopicPort {
  /// `producer_id` and the number after which its batches begin: see broker::ProducerOptions.
  TopicPort(redis::Client& client, runtime::Scope& scope, const MQConfig& config,
            const std::string& topic, std::string producer_id, std::uint64_t after);

  broker::TopicBroker broker;
  broker::Canceller canceller;
  broker::DeadLetterStore dead_letters;
  broker::SettingsWatch settings;
  broker::Producer producer;
  /// When the topic was put into the set of topics, or is on its way there.
  std::optional<runtime::TimePoint> noted;
};

}  // namespace mx_rmq::queue
