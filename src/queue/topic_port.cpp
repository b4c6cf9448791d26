#include "queue/topic_port.hpp"

#include <chrono>
#include <utility>

namespace mx_rmq::queue {

using namespace std::chrono_literals;

namespace {

broker::ProducerOptions producer_options(redis::Client& client, const MQConfig& config,
                                         TopicPort& port, std::string id, std::uint64_t after) {
  broker::ProducerOptions options;
  options.settings_seen = [&port](std::int64_t version) {
    port.version_here = version;
    if (port.partition == 0) port.settings.seen(version);
  };
  options.wait_replicas = config.wait_replicas;
  options.wait_timeout = config.wait_replicas_timeout;
  if (config.wait_replicas > 0) {
    for (redis::Route*& each : options.durable) {
      each = &client.route(redis::LaneRole::durable, port.broker.keys().tag());
    }
  }
  options.id = std::move(id);
  options.after = after;
  options.longest_timeout = config.produce_timeout;
  options.resend_after = config.command_timeout;
  options.grace = config.processing_timeout + config.lease + 60s;
  options.max_recoveries = config.max_recoveries;
  options.max_waiting = config.max_pending_produces;
  return options;
}

}  // namespace

TopicPort::TopicPort(redis::Client& client, runtime::Scope& scope, const MQConfig& config,
                     const broker::TopicKeys& keys, int partition_of_it, std::string producer_id,
                     std::uint64_t after)
    : partition(partition_of_it),
      broker(client.route(redis::LaneRole::manage, keys.tag()), keys),
      canceller(broker, config.command_timeout),
      dead_letters(broker, config.command_timeout),
      settings(scope, broker.caller(), broker.keys(), config.command_timeout),
      producer(scope, broker::ScriptCaller(client.route(redis::LaneRole::produce, keys.tag())),
               broker.keys(),
               producer_options(client, config, *this, std::move(producer_id), after)),
      routing(keys.topic()),
      settings_idle(client.loop()) {
  settings_idle.set();
}

}  // namespace mx_rmq::queue
