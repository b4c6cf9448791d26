#include "worker/wake_ups.hpp"

#include <cassert>
#include <utility>

#include "redis/wire/call_end.hpp"
#include "runtime/log.hpp"
#include "runtime/planted.hpp"
#include "worker/claimer.hpp"
#include "worker/questions.hpp"

namespace mx_rmq::worker {

namespace log = runtime::log;
using redis::CallEnd;
using runtime::TimePoint;

WakeUps::WakeUps(redis::Client& client, Claimer& claimer, Questions& questions,
                 runtime::Scope& scope)
    : client_(client), claimer_(claimer), questions_(questions), scope_(scope) {}

WakeUps::~WakeUps() = default;

void WakeUps::add(Source& source) {
  assert(source.id == records_.size() && "sources are added in order");
  Record& record = records_.emplace_back(source);
  redis::Subscription::Events events;
  events.up = [this, &record](std::uint64_t epoch) { claimer_.hears(record.source, epoch); };
  events.down = [this, &record] { claimer_.hears_nothing(record.source); };
  events.message = [this, &record](std::string_view payload) { heard(record, payload); };
  const broker::TopicKeys& keys = source.broker.keys();
  record.subscription =
      client_.subscribe(keys.tag(), keys.channel(source.consumer.alias()), std::move(events));
}

void WakeUps::heard(Record& record, std::string_view payload) {
  if (const auto hops = broker::read_wake_up(payload)) {
    claimer_.woken(record.source, *hops);
  } else {
    questions_.heard(record.source, payload);
  }
}

void WakeUps::pass(const Source& source, int hops) {
  scope_.spawn(send_pass(&records_[source.id], hops + 1));
}

Task<> WakeUps::send_pass(Record* record, int hops) {
  Source& source = record->source;
  // It must not wait for a connection that is not there, if there is another one.
  redis::Route& own = source.broker.route();
  redis::Route& route =
      own.ready() ? own : client_.route(redis::LaneRole::manage, source.broker.keys().tag());
  const broker::ScriptCaller caller(route);
  const std::string name = source.consumer.name();
  broker::Pass::Args args;
  args.consumer = name;
  args.hops = hops;
  CallEnd end;
  try {
    co_await caller.call<broker::Pass>(source.broker.keys(), args,
                                       source.consumer.command_deadline());
  } catch (...) {
    end = CallEnd::caught();
  }
  // What it was for is found by the next produce, or by a sweep.
  if (!end.answered())
    log::debug("could not pass on a wake-up", "topic", source.topic.name, "error", end.what());
}

Task<> WakeUps::unlist(TimePoint deadline) {
  runtime::Scope scope(client_.loop());
  for (auto& record : records_) scope.spawn(send_unlist(&record, deadline));
  co_await scope.join();
}

Task<> WakeUps::send_unlist(Record* record, TimePoint deadline) {
  Source& source = record->source;
  if (!source.broker.route().ready() || MX_RMQ_PLANTED("leaves_under_another_name")) co_return;
  const std::string name = source.consumer.name();
  broker::Unlist::Args args;
  args.consumer = name;
  CallEnd end;
  try {
    co_await source.broker.call<broker::Unlist>(args, deadline);
  } catch (...) {
    end = CallEnd::caught();
  }
  // Leaving says so again.
  if (!end.answered())
    log::debug("could not take a consumer out of the idle ones", "topic", source.topic.name,
               "error", end.what());
}

void WakeUps::close() {
  for (auto& record : records_) record.subscription.reset();
}

}  // namespace mx_rmq::worker
