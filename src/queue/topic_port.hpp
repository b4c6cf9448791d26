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
#include "queue/routing.hpp"
#include "redis/topology/client.hpp"
#include "runtime/event.hpp"
#include "runtime/scope.hpp"

namespace mx_rmq::queue {

/// What the facade does with one partition of a topic besides consuming it: produces, and, over
/// another lane, looks at it and moves things. That of partition 0 knows what is set for the topic,
/// and where the topic's messages go. Loop thread only.
struct TopicPort {
  /// `producer_id` and the number after which its batches begin: see broker::ProducerOptions.
  TopicPort(redis::Client& client, runtime::Scope& scope, const MQConfig& config,
            const broker::TopicKeys& keys, int partition_of_it, std::string producer_id,
            std::uint64_t after);

  const int partition;
  broker::TopicBroker broker;
  broker::Canceller canceller;
  broker::DeadLetterStore dead_letters;
  broker::SettingsWatch settings;
  broker::Producer producer;
  Routing routing;
  /// The version of the settings here, as the last batch that looked found it.
  std::int64_t version_here = 0;
  /// When what is set was last read for a call that concerns all partitions.
  std::optional<runtime::TimePoint> settings_read;
  /// Set while nobody reads what is set, or copies it to here.
  runtime::Event settings_idle;
  /// When the topic was put into the set of topics, or is on its way there.
  std::optional<runtime::TimePoint> noted;
};

}  // namespace mx_rmq::queue
