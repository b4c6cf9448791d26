#include "queue/topic_calls.hpp"

#include <utility>

#include "api/batch.hpp"
#include "api/checks.hpp"
#include "broker/scripts/calls_raise_ids.hpp"
#include "broker/scripts/calls_stats.hpp"
#include "broker/topic_broker.hpp"
#include "queue/whole_topic.hpp"
#include "redis/wire/call_end.hpp"
#include "redis/wire/command.hpp"
#include "runtime/log.hpp"

namespace mx_rmq::queue {

using detail::QueueCore;
using runtime::Duration;
using runtime::TimePoint;

namespace {

// One if the key is there. `broker` outlives it.
Task<std::int64_t> count_key(broker::TopicBroker* broker, std::string key, TimePoint deadline) {
  redis::Command exists = redis::Command::of("EXISTS", key);
  const redis::Reply reply = co_await broker->caller().plain(std::move(exists), deadline);
  co_return reply.as_integer();
}

// Whether there is surely something, though perhaps in another partition than is removed first: so
// that those of one topic go together, or stay. `broker` outlives it.
Task<std::int64_t> count_kept(broker::TopicBroker* broker, TimePoint deadline) {
  const broker::Stats::Args args;
  const broker::Stats::Reply stats = co_await broker->call<broker::Stats>(args, deadline);
  co_return stats.delayed + stats.dead + stats.consumers - stats.lapsed;
}

Task<bool> nothing_in(Whole whole, TimePoint deadline) {
  if (whole->size() == 1) co_return true;  // whether it can be removed is seen at once
  WholeTopic::Call<std::int64_t> kept = [deadline](WholeTopic::Part& part) {
    return count_kept(&part.broker, deadline);
  };
  const std::int64_t all = co_await WholeTopic::sum(std::move(whole), std::move(kept));
  co_return all == 0;
}

// False: it is not empty. Takes over from consumers that died meanwhile, as any consumer of the
// topic would. `broker` and `config` outlive it.
Task<bool> remove_part(broker::TopicBroker* broker, const MQConfig* config, TimePoint deadline) {
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

// A topic that nobody has used yet has all its partitions at once, for keys and ids, too. Otherwise
// those who consume it see to that, by and by. `port` outlives it.
Task<> spread_if_unused(TopicPort* port, broker::StoredSettings stored, TimePoint deadline) {
  broker::RaiseIds::Args args;
  args.version = stored.version;
  args.ids_active = stored.partitions;
  args.active = stored.partitions;
  args.unused = true;
  redis::CallEnd end;
  try {
    co_await port->broker.call<broker::RaiseIds>(args, deadline);
    co_await port->settings.read(deadline);
  } catch (...) {
    end = redis::CallEnd::caught();
  }
  if (end.answered()) co_return;
  // What was asked for is set all the same.
  runtime::log::warn("the partitions of a topic come into use only when somebody consumes it",
                     "topic", port->broker.keys().topic(), "error", end.what());
}

}  // namespace

Task<bool> cancel(std::shared_ptr<QueueCore> core, std::string topic, std::string id) {
  co_await core->loop().schedule();
  const Access::Use use(core->access());
  Whole whole = co_await WholeTopic::find(&core->access(), std::move(topic));
  // A search through long lists takes many steps.
  const TimePoint deadline = core->loop().now() + 12 * Duration(core->config().command_timeout);
  WholeTopic::Call<bool> cancel_it = [&id, deadline](WholeTopic::Part& part) {
    return part.canceller.cancel(id, deadline);
  };
  co_return co_await WholeTopic::somewhere(std::move(whole), id, std::move(cancel_it));
}

Task<bool> forget(std::shared_ptr<QueueCore> core, std::string topic) {
  co_await core->loop().schedule();
  const Access::Use use(core->access());
  if (core->consumes(topic)) co_return false;
  const Whole whole = co_await WholeTopic::find(&core->access(), topic);
  broker::TopicSet& topics = core->access().topic_set();
  const TimePoint deadline = core->loop().now() + Duration(core->config().command_timeout);
  const bool empty = co_await nothing_in(whole, deadline);
  if (!empty) co_return false;
  for (std::size_t i = 0; i < whole->size(); ++i) {
    const bool gone = co_await remove_part(&whole->part(i).broker, &core->config(), deadline);
    if (!gone) co_return false;
  }
  co_await topics.forget(topic, deadline);
  {
    // Somebody may have produced to it in between, who had put it into the set before.
    const TopicPorts::Use port = core->access().port(topic);
    port->noted.reset();
    WholeTopic::Call<std::int64_t> used = [deadline](WholeTopic::Part& part) {
      return count_key(&part.broker, part.broker.keys().stats, deadline);
    };
    const std::int64_t again = co_await WholeTopic::sum(whole, std::move(used));
    if (again != 0) co_await topics.note(topic, deadline);
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
  const broker::StoredSettings stored = co_await port->settings.change(args, deadline);
  core->access().note(topic, *port);  // tools are to see it
  // Those of a paused topic come into use when it is resumed: they do not know of the pause.
  const bool paused = stored.paused_until > port->broker.clock().now_ms();
  if (stored.active == 1 && stored.ids_active == 1 && stored.partitions > 1 && !paused) {
    co_await spread_if_unused(&*port, stored, deadline);
  }
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
