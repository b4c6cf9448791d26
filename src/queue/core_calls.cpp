#include <algorithm>
#include <cstdint>
#include <exception>
#include <map>
#include <utility>

#include "mx_rmq/errors.hpp"
#include "queue/core.hpp"
#include "redis/wire/command.hpp"
#include "runtime/text.hpp"

// What the queue does to one topic or several, besides consuming: producing, cancelling, forgetting.
namespace mx_rmq::detail {

using runtime::Duration;
using runtime::TimePoint;
using namespace std::chrono_literals;

namespace {

// A lease further ahead than any configuration allows was made by a clock that has been set back.
constexpr std::chrono::milliseconds kLongestLease = 1h;

std::exception_ptr duplicate(std::vector<std::string> ids) {
  std::string text = "message_id: ";
  text += ids.size() == 1 ? "a message with this id is"
                          : std::to_string(ids.size()) + " of these messages are";
  text += " there already; nothing was added for ";
  for (std::size_t i = 0; i < ids.size() && i < 3; ++i) {
    if (i > 0) text += ", ";
    text += runtime::text::quoted(ids[i]);
  }
  if (ids.size() > 3) text += " and others";
  return std::make_exception_ptr(Duplicate(std::move(ids), text));
}

}  // namespace

QueueCore::Pending::Pending(QueueCore& core, std::size_t messages)
    : core_(core), messages_(messages) {
  const std::size_t most = core_.config_.max_pending_produces;
  if (messages > most || core_.pending_ > most - messages)
    throw Overloaded("produce: " + std::to_string(core_.pending_) +
                     " messages are under way, and with " + std::to_string(messages) +
                     " more there would be more than the " + std::to_string(most) +
                     " of max_pending_produces");
  core_.pending_ += messages;
}

Task<std::string> QueueCore::produce(std::string topic, broker::OutgoingEnvelope envelope) {
  return run_produce(shared_from_this(), std::move(topic), std::move(envelope));
}

Task<std::string> QueueCore::run_produce(std::shared_ptr<QueueCore> self, std::string topic,
                                         broker::OutgoingEnvelope envelope) {
  co_await self->loop_.schedule();
  const Use use(self);
  const Pending pending(*self, 1);
  const queue::TopicPorts::Use port = self->port(topic);
  self->note(topic, *port);
  const TimePoint deadline = self->loop_.now() + Duration(self->config_.produce_timeout);
  broker::Producer::Submission submission = port->producer.submit(envelope, deadline);
  const broker::Produced produced = co_await submission;
  if (produced == broker::Produced::duplicate && envelope.refuse_duplicate) {
    std::vector<std::string> ids(1, envelope.id);
    std::rethrow_exception(duplicate(std::move(ids)));
  }
  co_return std::move(envelope.id);
}

Task<std::vector<std::string>> QueueCore::produce_batch(
    std::vector<std::string> topics, std::vector<broker::OutgoingEnvelope> envelopes) {
  return run_batch(shared_from_this(), std::move(topics), std::move(envelopes));
}

/// A batch that is being produced, and what became of its messages so far.
struct QueueCore::Batch {
  std::vector<std::string> topics;
  std::vector<broker::OutgoingEnvelope> envelopes;  // moved from when they are on their way
  std::vector<std::string> ids;
  TimePoint deadline{};
  std::size_t failed = SIZE_MAX;        // the first message that did
  std::exception_ptr error;             // its
  std::vector<std::size_t> duplicates;  // that were to be told

  void fail(std::size_t place, const std::exception_ptr& why) {
    if (error && failed < place) return;
    failed = place;
    error = why;
  }
};

Task<> QueueCore::submit_all(broker::Producer* producer, Batch* batch,
                             std::vector<std::size_t> places) {
  std::vector<broker::OutgoingEnvelope> messages;
  std::vector<bool> refuse;
  messages.reserve(places.size());
  for (const std::size_t place : places) {
    refuse.push_back(batch->envelopes[place].refuse_duplicate);
    messages.push_back(std::move(batch->envelopes[place]));
  }
  try {
    const auto outcomes = co_await producer->submit_all(std::move(messages), batch->deadline);
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
      if (outcomes[i].error) {
        batch->fail(places[i], outcomes[i].error);
      } else if (outcomes[i].result == broker::Produced::duplicate && refuse[i]) {
        batch->duplicates.push_back(places[i]);
      }
    }
  } catch (...) {
    batch->fail(places.front(), std::current_exception());
  }
}

Task<> QueueCore::submit_part(Batch* batch, std::size_t from, std::size_t end) {
  std::map<std::string, std::vector<std::size_t>> by_topic;
  for (std::size_t i = from; i < end; ++i) by_topic[batch->topics[i]].push_back(i);
  std::vector<queue::TopicPorts::Use> ports;
  ports.reserve(by_topic.size());
  runtime::Scope scope(loop_);
  for (auto& [topic, places] : by_topic) {
    ports.push_back(port(topic));
    note(topic, *ports.back());
    scope.spawn(submit_all(&ports.back()->producer, batch, std::move(places)));
  }
  co_await scope.join();
}

Task<std::vector<std::string>> QueueCore::run_batch(
    std::shared_ptr<QueueCore> self, std::vector<std::string> topics,
    std::vector<broker::OutgoingEnvelope> envelopes) {
  co_await self->loop_.schedule();
  const Use use(self);
  const std::size_t size = envelopes.size();
  // What could never be under way at once goes in parts, and leaves room for others.
  const std::size_t most = self->config_.max_pending_produces;
  const std::size_t part = size <= most ? size : (most + 1) / 2;
  const Pending pending(*self, part);
  Batch batch;
  batch.topics = std::move(topics);
  batch.envelopes = std::move(envelopes);
  batch.deadline = self->loop_.now() + Duration(self->config_.produce_timeout);
  batch.ids.reserve(size);
  for (const auto& each : batch.envelopes) batch.ids.push_back(each.id);
  for (std::size_t from = 0; from < size; from += part) {
    try {
      co_await self->submit_part(&batch, from, std::min(size, from + part));
    } catch (const ShutdownError&) {
      batch.fail(from, std::current_exception());  // cleanup() between two parts
      break;
    }
  }
  if (batch.error) std::rethrow_exception(batch.error);
  if (batch.duplicates.empty()) co_return std::move(batch.ids);
  std::ranges::sort(batch.duplicates);
  std::vector<std::string> ids;
  for (const std::size_t place : batch.duplicates) ids.push_back(batch.ids[place]);
  std::rethrow_exception(duplicate(std::move(ids)));
}

Task<bool> QueueCore::cancel(std::string topic, std::string id) {
  return run_cancel(shared_from_this(), std::move(topic), std::move(id));
}

Task<bool> QueueCore::run_cancel(std::shared_ptr<QueueCore> self, std::string topic,
                                 std::string id) {
  co_await self->loop_.schedule();
  const Use use(self);
  const queue::TopicPorts::Use port = self->port(topic);
  // A search through long lists takes many steps.
  const TimePoint deadline = self->loop_.now() + 12 * Duration(self->config_.command_timeout);
  co_return co_await port->canceller.cancel(std::move(id), deadline);
}

Task<bool> QueueCore::forget(std::string topic) {
  return run_forget(shared_from_this(), std::move(topic));
}

Task<bool> QueueCore::run_forget(std::shared_ptr<QueueCore> self, std::string topic) {
  co_await self->loop_.schedule();
  const Use use(self);
  if (self->engine_ && self->adopted_.contains(topic)) co_return false;
  const TimePoint deadline = self->loop_.now() + Duration(self->config_.command_timeout);
  bool gone = false;
  {
    const queue::TopicPorts::Use port = self->port(topic);
    gone = co_await self->remove_topic(&port->broker, deadline);
    if (!gone) co_return false;
    co_await self->topic_set_->forget(topic, deadline);
    // Somebody may have produced to it in between, who had put it into the set before.
    redis::Command exists = redis::Command::of("EXISTS", port->broker.keys().stats);
    const redis::Reply used = co_await port->broker.caller().plain(std::move(exists), deadline);
    port->noted.reset();
    if (used.as_integer() != 0) co_await self->topic_set_->note(topic, deadline);
  }
  self->ports_->drop(topic);
  co_return true;
}

// False: it is not empty. Takes over from consumers that died meanwhile, as any consumer of the topic would.
Task<bool> QueueCore::remove_topic(broker::TopicBroker* broker, TimePoint deadline) {
  for (;;) {
    const broker::ForgetResult result = co_await broker->forget(deadline);
    if (result.state == broker::ForgetResult::State::gone) co_return true;
    if (result.state == broker::ForgetResult::State::used) co_return false;
    broker::ReapArgs args;
    args.victim = result.consumer;
    args.most = config_.batch_size;
    args.bytes = config_.claim_bytes;
    args.longest_lease = kLongestLease;
    args.dead_cap = config_.max_dead_letters;
    const broker::ReapResult reaped =
        co_await broker->reap(args, deadline, broker::Resend::until_deadline);
    if (reaped.recovered > 0 || reaped.dead > 0) co_return false;
  }
}

}  // namespace mx_rmq::detail
