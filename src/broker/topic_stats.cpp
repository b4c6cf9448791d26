#include "broker/topic_stats.hpp"

#include <exception>
#include <utility>

#include "runtime/scope.hpp"

namespace mx_rmq::broker {

namespace {

constexpr int most_consumers = 10'000;

// Adds what one consumer holds to `load`, which its starter keeps until it has joined.
Task<> ask_load(TopicBroker* broker, ConsumerLoad* load, TimePoint deadline) {
  redis::Command command = redis::Command::of("HLEN", broker->keys().processing(load->consumer));
  const redis::Reply reply = co_await broker->caller().plain(std::move(command), deadline);
  load->holds = reply.as_integer();
}

}  // namespace

Task<TopicReport> report_topic(TopicBroker& broker, TimePoint deadline) {
  TopicReport out;
  Stats::Args args;
  args.most_consumers = most_consumers;
  out.stats = co_await broker.call<Stats>(args, deadline);
  out.consumers.reserve(out.stats.leases.size());
  for (const ConsumerLease& lease : out.stats.leases) {
    ConsumerLoad& load = out.consumers.emplace_back();
    load.consumer = lease.consumer;
    load.lease_until = lease.until;
  }
  // All at once, so that they travel in one write.
  std::exception_ptr error;
  runtime::Scope scope(broker.loop(), [&error](std::exception_ptr each) { error = each; });
  try {
    for (ConsumerLoad& load : out.consumers) scope.spawn(ask_load(&broker, &load, deadline));
  } catch (...) {
    error = std::current_exception();  // those that were started are awaited all the same
  }
  co_await scope.join();
  if (error != nullptr) std::rethrow_exception(error);
  for (const ConsumerLoad& load : out.consumers) out.processing += load.holds;
  co_return out;
}

}  // namespace mx_rmq::broker
