#include "broker/topic_stats.hpp"

#include <exception>
#include <utility>

#include "mx_rmq_scripts.hpp"
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

Task<TopicReport> TopicStats::report(TimePoint deadline) {
  TopicBroker& broker = *broker_;
  TopicReport out;
  redis::Command command = make_stats(broker.keys(), most_consumers);
  out.stats = co_await broker.caller().call(lua::stats, std::move(command), read_stats, deadline,
                                            Resend::until_deadline);
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

Task<AuditReport> TopicStats::audit(TimePoint deadline, std::int64_t most) {
  TopicBroker& broker = *broker_;
  for (;;) {
    redis::Command command = redis::Command::of("ZRANGE", broker.keys().consumers, 0, -1);
    redis::Reply reply = co_await broker.caller().plain(std::move(command), deadline);
    std::vector<std::string> consumers;
    for (redis::Reply& each : reply.as_array()) consumers.push_back(each.take_string());
    command = make_audit(broker.keys(), most, consumers);
    AuditReport out = co_await broker.caller().call(lua::audit, std::move(command), read_audit,
                                                    deadline, Resend::until_deadline);
    if (out.state != AuditState::changed || broker.loop().now() >= deadline) co_return out;
  }
}

}  // namespace mx_rmq::broker
