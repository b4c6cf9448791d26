#include "queue/produce_calls.hpp"

#include <algorithm>
#include <cstdint>
#include <exception>
#include <map>
#include <utility>

#include "broker/produce/producer.hpp"
#include "mx_rmq/errors.hpp"
#include "queue/routed_produce.hpp"
#include "runtime/scope.hpp"
#include "runtime/text.hpp"

namespace mx_rmq::queue {

using detail::QueueCore;
using runtime::Duration;
using runtime::TimePoint;

namespace {

[[noreturn]] void throw_duplicate(std::vector<std::string> ids) {
  std::string text = "message_id: ";
  text += ids.size() == 1 ? "a message with this id is"
                          : std::to_string(ids.size()) + " of these messages are";
  text += " there already; nothing was added for ";
  for (std::size_t i = 0; i < ids.size() && i < 3; ++i) {
    if (i > 0) text += ", ";
    text += runtime::text::quoted(ids[i]);
  }
  if (ids.size() > 3) text += " and others";
  throw Duplicate(std::move(ids), text);
}

/// A batch that is being produced, and what became of its messages so far.
struct BatchCall {
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

bool all_go_plain(const TopicPort& port, const BatchCall& batch,
                  const std::vector<std::size_t>& places) {
  return std::ranges::all_of(
      places, [&](std::size_t place) { return goes_plain(port, batch.envelopes[place]); });
}

// Submits to one topic, and says what became of each message.
Task<std::vector<broker::ProduceOutcome>> submit(Access* access, TopicPort* port, BatchCall* batch,
                                                 const std::vector<std::size_t>* places) {
  std::vector<broker::ProduceOutcome> outcomes;
  if (all_go_plain(*port, *batch, *places)) {
    std::vector<broker::OutgoingEnvelope> messages;
    messages.reserve(places->size());
    for (const std::size_t place : *places) {
      messages.push_back(std::move(batch->envelopes[place]));
    }
    outcomes = co_await port->producer.submit_all(std::move(messages), batch->deadline);
    co_return outcomes;
  }
  std::vector<broker::OutgoingEnvelope*> messages;
  messages.reserve(places->size());
  for (const std::size_t place : *places) messages.push_back(&batch->envelopes[place]);
  outcomes = co_await produce_all_routed(access, port, std::move(messages), batch->deadline);
  for (const std::size_t place : *places) batch->ids[place] = batch->envelopes[place].id;
  co_return outcomes;
}

// Submits to one topic. `access`, `port` and `batch` outlive it.
Task<> submit_to_topic(Access* access, TopicPort* port, BatchCall* batch,
                       std::vector<std::size_t> places) {
  std::vector<bool> refuse;
  refuse.reserve(places.size());
  for (const std::size_t place : places) {
    refuse.push_back(batch->envelopes[place].refuse_duplicate);
  }
  try {
    const auto outcomes = co_await submit(access, port, batch, &places);
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

// Submits the messages from `from` up to `end`, and waits for all of them. `core` and `batch`
// outlive it.
Task<> submit_part(QueueCore* core, BatchCall* batch, std::size_t from, std::size_t end) {
  std::map<std::string, std::vector<std::size_t>> by_topic;
  for (std::size_t i = from; i < end; ++i) by_topic[batch->topics[i]].push_back(i);
  std::vector<TopicPorts::Use> ports;
  ports.reserve(by_topic.size());
  runtime::Scope scope(core->loop());
  for (auto& [topic, places] : by_topic) {
    ports.push_back(core->access().port(topic));
    core->access().note(topic, *ports.back());
    scope.spawn(submit_to_topic(&core->access(), &*ports.back(), batch, std::move(places)));
  }
  co_await scope.join();
}

}  // namespace

Task<std::string> produce(std::shared_ptr<QueueCore> core, std::string topic,
                          broker::OutgoingEnvelope envelope) {
  co_await core->loop().schedule();
  Access& access = core->access();
  const Access::Use use(access);
  const Access::Pending pending(access, 1);
  const TopicPorts::Use port = access.port(topic);
  access.note(topic, *port);
  const TimePoint deadline = core->loop().now() + Duration(core->config().produce_timeout);
  broker::Produced produced = broker::Produced::enqueued;
  if (goes_plain(*port, envelope)) {
    broker::Producer::Submission submission = port->producer.submit(envelope, deadline);
    produced = co_await submission;
  } else {
    produced = co_await produce_routed(&access, &*port, &envelope, deadline);
  }
  if (produced == broker::Produced::duplicate && envelope.refuse_duplicate) {
    std::vector<std::string> ids(1, envelope.id);
    throw_duplicate(std::move(ids));
  }
  co_return std::move(envelope.id);
}

Task<std::vector<std::string>> produce_batch(std::shared_ptr<QueueCore> core,
                                             std::vector<std::string> topics,
                                             std::vector<broker::OutgoingEnvelope> envelopes) {
  co_await core->loop().schedule();
  const Access::Use use(core->access());
  const std::size_t size = envelopes.size();
  // What could never be under way at once goes in parts, and leaves room for others.
  const std::size_t most = core->config().max_pending_produces;
  const std::size_t part = size <= most ? size : (most + 1) / 2;
  const Access::Pending pending(core->access(), part);
  BatchCall batch;
  batch.topics = std::move(topics);
  batch.envelopes = std::move(envelopes);
  batch.deadline = core->loop().now() + Duration(core->config().produce_timeout);
  batch.ids.reserve(size);
  for (const auto& each : batch.envelopes) batch.ids.push_back(each.id);
  for (std::size_t from = 0; from < size; from += part) {
    try {
      co_await submit_part(core.get(), &batch, from, std::min(size, from + part));
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
  throw_duplicate(std::move(ids));
}

}  // namespace mx_rmq::queue
