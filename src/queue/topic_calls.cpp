#include "queue/topic_calls.hpp"

#include <utility>

#include "api/batch.hpp"
#include "api/checks.hpp"
#include "broker/topic_broker.hpp"
#include "redis/wire/command.hpp"

namespace mx_rmq::queue {

using detail::QueueCore;
using runtime::Duration;
using runtime::TimePoint;

namespace {

// False: it is not empty. Takes over from consumers that died meanwhile, as any consumer of the
// topic would. `broker` and `config` outlive it.
Task<bool> remove_topic(broker::TopicBroker* broker, const MQConfig* config, TimePoint deadline) {
  for (;;) {
    const broker::Forget::Reply result = co_await broker->call<broker::Forget>(deadline);
    if (result.state == broker::Forget::State::gone) co_return true;
    if (result.state == broker::Forget::State::used) co_return false;
    broker::Reap::Args args;
    args.victim = result.consumer;
    args.most = api::batch_of(*config);
    args.bytes = config->claim_bytes;
    args.longest_lease = api::max_lease;
    args.dead_cap = config->max_dead_letters;
    const broker::Reap::Reply reaped =
        co_await broker->call<broker::Reap>(args, deadline, broker::Resend::until_deadline);
    if (reaped.recovered > 0 || reaped.dead > 0) co_return false;
  }
}

}  // namespace

Task<bool> cancel(std::shared_ptr<QueueCore> core, std::string topic, std::string id) {
  co_await core->loop().schedule();
  const Access::Port port(core->access(), topic);
  // A search through long lists takes many steps.
  const TimePoint deadline = core->loop().now() + 12 * Duration(core->config().command_timeout);
  co_return co_await port->canceller.cancel(std::move(id), deadline);
}

Task<bool> forget(std::shared_ptr<QueueCore> core, std::string topic) {
  co_await core->loop().schedule();
  const Access::Use use(core->access());
  if (core->consumes(topic)) co_return false;
  broker::TopicSet& topics = core->access().topic_set();
  const TimePoint deadline = core->loop().now() + Duration(core->config().command_timeout);
  {
    const TopicPorts::Use port = core->access().port(topic);
    const bool gone = co_await remove_topic(&port->broker, &core->config(), deadline);
    if (!gone) co_return false;
    co_await topics.forget(topic, deadline);
    // Somebody may have produced to it in between, who had put it into the set before.
    redis::Command exists = redis::Command::of("EXISTS", port->broker.keys().stats);
    const redis::Reply used = co_await port->broker.caller().plain(std::move(exists), deadline);
    port->noted.reset();
    if (used.as_integer() != 0) co_await topics.note(topic, deadline);
  }
  core->access().ports().drop(topic);
  co_return true;
}

Task<> configure(std::shared_ptr<QueueCore> core, std::string topic, TopicSettings settings) {
  co_await core->loop().schedule();
  const Access::Use use(core->access());
  const TopicPorts::Use port = core->access().port(topic);
  broker::Configure::Args args;
  args.partitions = settings.partitions();
  const TimePoint deadline = core->loop().now() + Duration(core->config().command_timeout);
  co_await port->settings.change(args, deadline);
  core->access().note(topic, *port);  // tools are to see it
}

Task<TopicSettings> topic_settings(std::shared_ptr<QueueCore> core, std::string topic) {
  co_await core->loop().schedule();
  const Access::Port port(core->access(), topic);
  const TimePoint deadline = core->loop().now() + Duration(core->config().command_timeout);
  const broker::StoredSettings stored = co_await port->settings.read(deadline);
  TopicSettings out;
  out.partitions(stored.partitions);
  co_return out;
}

}  // namespace mx_rmq::queue
