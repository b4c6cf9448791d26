// What a simulated process does: its handlers, its produce calls, its start and stop.
#include <exception>
#include <utility>

#include "mx_rmq/errors.hpp"
#include "node.hpp"
#include "queue/pause_calls.hpp"
#include "queue/produce_calls.hpp"
#include "queue/topic_calls.hpp"
#include "simulation.hpp"

namespace mx_rmq::sim {

using namespace std::chrono_literals;

// --- consuming ---

void Node::start() {
  wanted_ = true;
  changing_ = true;
  spawn(run_start(this));
}

Task<> Node::run_start(Node* self) {
  for (;;) {
    bool failed = false;
    try {
      co_await self->core_->start_background();
    } catch (const Error&) {
      failed = true;
    }
    if (!failed || !self->alive_) break;
    co_await sleep_for(100ms);
    // What was cleaned up meanwhile must not be opened again: nobody would close it.
    if (!self->alive_ || self->finishing_) break;
  }
  self->changing_ = false;
}

void Node::stop(std::optional<Duration> pause) {
  wanted_ = false;
  changing_ = true;
  world_.books().saw("stop");
  spawn(run_stop(this, pause));
}

Task<> Node::run_stop(Node* self, std::optional<Duration> pause) {
  const TimePoint began = self->clock_.now();
  co_await self->core_->stop();
  const Duration took = self->clock_.now() - began;
  const Duration bound = Duration(self->world_.plan().config.shutdown_timeout) * 3 + 10s;
  if (self->alive_ && took > bound && self->paused_until_ == TimePoint()) {
    self->world_.books().violate("HANG",
                                 "stop() took " + std::to_string(took.count() / 1'000'000) + " ms");
  }
  self->changing_ = false;
  if (!pause || !self->alive_ || self->finishing_) co_return;
  co_await sleep_for(*pause);
  if (!self->alive_ || self->finishing_) co_return;
  self->wanted_ = true;
  self->changing_ = true;
  co_await run_start(self);
}

void Node::finish() {
  finishing_ = true;
  spawn(run_finish(this));
}

Task<> Node::run_finish(Node* self) {
  self->finishing_ = true;
  co_await self->core_->cleanup();
  self->cleaned_up_ = true;
}

// --- handling ---

Task<> Node::handle(Node* self, Context* context) {
  Simulation& world = self->world_;
  const Message& message = context->message();
  if (!self->alive_) co_return;  // nobody sees it
  Books::Start start;
  start.id = message.id;
  start.topic = message.topic;
  start.body = message.payload.dump();
  start.attempt = context->attempt();
  start.server_ms = world.server().now_us() / 1000;
  Record* record = world.books().find(message.id);
  const Watcher& watcher = world.server().watcher();
  if (record != nullptr) {
    start.holds = watcher.owner(record->holder) == self->index_;
  }
  start.strict = world.strict();
  record = world.books().started(start);
  if (world.tracing()) {
    world.tell("node " + std::to_string(self->index_) + " starts " + message.id + " attempt " +
               std::to_string(context->attempt()));
  }
  if (record == nullptr) co_return;
  if (record->kills) {
    self->doomed_ = true;
    world.replace_soon();
  }
  const Behaviour behaviour =
      world.plan().behaviour(record->number, context->attempt(), message.meta.recoveries);
  const std::stop_token stop = context->stop_token();
  const TimePoint until = self->clock_.now() + behaviour.takes;
  bool interrupted = false;
  while (self->clock_.now() < until && self->alive_) {
    const Duration slice = std::min<Duration>(until - self->clock_.now(), 50ms);
    co_await sleep_for(slice);
    interrupted = stop.stop_requested() && behaviour.obeys;
    if (interrupted) break;
  }
  if (!self->alive_) {
    --record->running;
    co_return;
  }
  const bool ok = !interrupted && behaviour.end == Behaviour::End::ok;
  world.books().ended(*record, ok);
  if (world.tracing()) {
    world.tell("node " + std::to_string(self->index_) + " ends " + record->id +
               (ok            ? " well"
                : interrupted ? " interrupted"
                              : " badly"));
  }
  if (interrupted) throw std::runtime_error("interrupted");
  switch (behaviour.end) {
    case Behaviour::End::ok:
      break;
    case Behaviour::End::fail:
      throw std::runtime_error("failed as planned");
    case Behaviour::End::retry_after:
      throw RetryAfter(30ms, "later, as planned");
    case Behaviour::End::reject:
      throw Reject("rejected as planned");
  }
}

// --- producing ---

void Node::produce(Record& record, broker::OutgoingEnvelope envelope) {
  world_.books().call_began(record);
  spawn(run_produce(this, &record, std::move(envelope)));
}

Task<> Node::run_produce(Node* self, Record* record, broker::OutgoingEnvelope envelope) {
  Books& books = self->world_.books();
  std::string rejection;
  bool unknown = false;
  try {
    const std::string topic = record->topic;
    const std::string id = co_await queue::produce(self->core_, topic, std::move(envelope));
    if (id != record->id) books.violate("CORRUPT", "produce gave another id: " + id);
  } catch (const OutcomeUnknown&) {
    unknown = true;
  } catch (const Error& e) {
    rejection = e.what();
  }
  if (!self->alive_) {
    unknown = true;  // nobody was told
  }
  if (unknown) {
    books.call_unknown(*record);
  } else if (!rejection.empty()) {
    books.call_rejected(*record, rejection);
  } else {
    books.call_accepted(*record);
  }
}

void Node::produce_batch(std::vector<Record*> records,
                         std::vector<broker::OutgoingEnvelope> envelopes) {
  for (Record* const record : records) world_.books().call_began(*record);
  spawn(run_batch(this, std::move(records), std::move(envelopes)));
}

Task<> Node::run_batch(Node* self, std::vector<Record*> records,
                       std::vector<broker::OutgoingEnvelope> envelopes) {
  Books& books = self->world_.books();
  std::vector<std::string> topics;
  for (const Record* const record : records) topics.push_back(record->topic);
  bool failed = false;
  try {
    co_await queue::produce_batch(self->core_, std::move(topics), std::move(envelopes));
  } catch (const Error&) {
    failed = true;  // of some of them; which is not told
  }
  for (Record* const record : records) {
    if (failed || !self->alive_) {
      books.call_unknown(*record);
    } else {
      books.call_accepted(*record);
    }
  }
}

void Node::configure(const std::string& topic, int partitions) {
  spawn(run_configure(this, topic, partitions));
}

Task<> Node::run_configure(Node* self, std::string topic, int partitions) {
  TopicSettings settings;
  settings.partitions(partitions);
  while (self->alive_ && !self->finishing_) {
    bool done = true;
    try {
      co_await queue::configure(self->core_, topic, settings);
    } catch (const ServerError&) {
      co_return;  // there are more already
    } catch (const Error&) {
      done = false;
    }
    if (done) break;
    co_await sleep_for(200ms);
  }
  if (self->alive_) self->world_.books().saw("configured");
}

// --- pausing ---

void Node::pause_topic(const std::string& topic, std::chrono::milliseconds span, bool timed) {
  world_.books().pause_begins(topic);
  world_.tell("node " + std::to_string(index_) + " pauses " + topic);
  spawn(run_pause(this, topic, span, timed));
}

Task<> Node::run_pause(Node* self, std::string topic, std::chrono::milliseconds span, bool timed) {
  Books& books = self->world_.books();
  // By the server's clock, as it is known here, within its millisecond and half a round trip.
  const TimePoint until =
      timed ? self->world_.scheduler().now() + Duration(span) - 200ms : TimePoint::max();
  std::optional<std::chrono::milliseconds> duration;
  if (timed) duration = span;
  bool known = false;
  try {
    const Paused paused = co_await queue::pause(self->core_, topic, duration);
    known = true;
    if (self->alive_ && paused.unanswered == 0) {
      books.saw("topic paused");
      books.paused(topic, until);
      self->world_.tell("topic " + topic + " is paused");
    }
    co_await sleep_for(Duration(span));
  } catch (const Error&) {
    known = false;
  }
  if (!self->alive_) co_return;  // it stays paused, and somebody else resumes it
  books.resume_begins(topic);
  if (timed && known) {
    co_await sleep_for(400ms);
    if (self->alive_) books.resumed(topic);
    co_return;
  }
  co_await run_resume(self, topic);
}

void Node::resume_topic(const std::string& topic) {
  world_.books().resume_begins(topic);
  spawn(run_resume(this, topic));
}

Task<> Node::run_resume(Node* self, std::string topic) {
  while (self->alive_ && !self->finishing_) {
    bool done = true;
    try {
      co_await queue::resume(self->core_, topic);
    } catch (const Error&) {
      done = false;
    }
    if (done) break;
    co_await sleep_for(200ms);
  }
  if (self->alive_) self->world_.books().resumed(topic);
}

void Node::cancel(Record& record) { spawn(run_cancel(this, &record)); }

Task<> Node::run_cancel(Node* self, Record* record) {
  bool gone = false;
  try {
    const std::string topic = record->topic;
    gone = co_await queue::cancel(self->core_, topic, record->id);
  } catch (const Error&) {
    co_return;
  }
  if (gone && self->alive_ && !record->ever_cancelled && record->plain()) {
    self->world_.books().violate(
        "GHOST", "cancel says that it took " + record->id + ", but the server did not");
  }
}

}  // namespace mx_rmq::sim
