#include "broker/produce/producer.hpp"

#include <algorithm>
#include <utility>

#include "broker/produce/producer_core.hpp"
#include "mx_rmq/errors.hpp"
#include "redis/connection/seams.hpp"

// The public side, and who waits for what and how long; producer_pump.cpp sends.
namespace mx_rmq::broker {

std::string random_id(redis::Rng& rng) {
  static constexpr char hex[] = "0123456789abcdef";
  std::string out;
  for (int word = 0; word < 2; ++word) {
    std::uint64_t bits = rng.next();
    for (int i = 0; i < 16; ++i, bits >>= 4) out += hex[bits & 15];
  }
  return out;
}

Producer::Producer(runtime::Scope& scope, ScriptCaller caller, const TopicKeys& keys,
                   ProducerOptions options)
    : core_(std::make_shared<Core>(scope, caller, keys, std::move(options))) {}

Producer::~Producer() { core_->abandon(); }

Producer::Submission Producer::submit(const OutgoingEnvelope& message, TimePoint deadline) {
  return Submission(core_, message, deadline);
}

Producer::Submission::Submission(const std::shared_ptr<Core>& core, const OutgoingEnvelope& message,
                                 TimePoint deadline) {
  entry_.message = &message;
  entry_.deadline = deadline;
  entry_.group = &group_;
  Core::enqueue(core, std::span<ProduceEntry>(&entry_, 1));
}

Task<std::vector<ProduceOutcome>> Producer::submit_all(std::vector<OutgoingEnvelope> messages,
                                                       TimePoint deadline) {
  return Core::submit_many(core_, std::move(messages), deadline);
}

Task<> Producer::close(TimePoint deadline) { return Core::close(core_, deadline); }

const std::string& Producer::id() const noexcept { return core_->id(); }
std::size_t Producer::pending() const noexcept { return core_->pending(); }
std::size_t Producer::in_flight() const noexcept { return core_->in_flight(); }
ProducerCounts Producer::counts() const noexcept { return core_->counts(); }
bool Producer::idle() const noexcept { return core_->idle(); }
std::uint64_t Producer::last_number() const noexcept { return core_->last_number(); }

Producer::Core::Core(runtime::Scope& scope, ScriptCaller caller, const TopicKeys& keys,
                     ProducerOptions options)
    : scope_(scope), caller_(caller), keys_(keys), options_(std::move(options)), idle_(loop()) {
  const std::string id = options_.id.empty() ? random_id(lane().rng()) : options_.id;
  for (std::size_t i = 0; i < senders_.size(); ++i) {
    take_id(senders_[i], i == 0 ? id : id + '+' + std::to_string(i));
    senders_[i].number = options_.after;
  }
  idle_.set();
}

Producer::Core::~Core() {
  if (timer_) loop().cancel(timer_);
}

Task<std::vector<ProduceOutcome>> Producer::Core::submit_many(
    std::shared_ptr<Core> self, std::vector<OutgoingEnvelope> messages, TimePoint deadline) {
  ProduceGroup group(messages.size());
  std::vector<ProduceEntry> entries(messages.size());
  for (std::size_t i = 0; i < messages.size(); ++i) {
    entries[i].message = &messages[i];
    entries[i].deadline = deadline;
    entries[i].group = &group;
  }
  enqueue(self, entries);
  co_await group;
  std::vector<ProduceOutcome> out;
  out.reserve(entries.size());
  for (ProduceEntry& entry : entries) out.push_back(std::move(entry.outcome));
  co_return out;
}

void Producer::Core::enqueue(const std::shared_ptr<Core>& self, std::span<ProduceEntry> entries) {
  if (entries.empty()) return;
  if (self->closing_ || self->loop().stopping()) {
    throw ShutdownError("produce: the queue is being stopped");
  }
  if (self->waiting_.size() + entries.size() > self->options_.max_pending) {
    throw Overloaded("produce: " + std::to_string(self->waiting_.size()) + " messages of topic " +
                     self->keys_.topic() + " wait already, and at most " +
                     std::to_string(self->options_.max_pending) + " may");
  }
  const std::size_t before = self->waiting_.size();
  try {
    for (ProduceEntry& entry : entries) {
      entry.order = ++self->submitted_;
      self->waiting_.push_back(&entry);
    }
    self->arm_timer();
    start_senders(self);
  } catch (...) {
    self->waiting_.resize(before);  // the entries go with their frame
    throw;
  }
}

bool Producer::Core::worth_sending(const Sender& sender) const noexcept {
  if (waiting_.empty()) return false;
  const bool alone = std::ranges::none_of(
      senders_, [&sender](const Sender& each) { return &each != &sender && each.running; });
  // Redis and this process then work at the same time; for a few messages it is not worth a trip of
  // its own, they join the next batch.
  return alone || waiting_.size() >= options_.overlap_messages;
}

// Throws if the scope is closed, and has then started none.
void Producer::Core::start_senders(const std::shared_ptr<Core>& self) {
  for (Sender& sender : self->senders_) {
    if (sender.running || !self->worth_sending(sender)) continue;
    self->scope_.spawn(pump(self, &sender));
    sender.running = true;
    self->idle_.reset();
  }
}

std::size_t Producer::Core::in_flight() const noexcept {
  std::size_t messages = 0;
  for (const Sender& sender : senders_) messages += sender.batch.size();
  return messages;
}

std::uint64_t Producer::Core::last_number() const noexcept {
  std::uint64_t last = 0;
  for (const Sender& sender : senders_) last = std::max(last, sender.number);
  return last;
}

Task<> Producer::Core::close(std::shared_ptr<Core> self, TimePoint deadline) {
  self->closing_ = true;
  bool done = self->idle_.is_set();
  if (!done) {
    try {
      done = co_await self->idle_.wait_until(deadline);
    } catch (const ShutdownError&) {
      // The loop ends: nobody can be waited for any more.
    }
  }
  if (!done) self->abandon();
}

void Producer::Core::abandon() {
  closing_ = true;
  fail_waiting(std::make_exception_ptr(
      ShutdownError("produce: the queue was stopped before the message was sent")));
  for (Sender& sender : senders_) {
    if (!sender.batch_open()) continue;
    sender.maybe_applied = true;
    fail_batch(sender, std::make_exception_ptr(OutcomeUnknown(
                           "produce: the queue was stopped before Redis had answered")));
  }
}

void Producer::Core::finish(ProduceEntry& entry, Produced result) {
  entry.outcome.result = result;
  entry.group->one_done(loop());
}

void Producer::Core::fail(ProduceEntry& entry, std::exception_ptr error) {
  entry.outcome.error = std::move(error);
  entry.group->one_done(loop());
}

void Producer::Core::fail_waiting(const std::exception_ptr& error) {
  for (ProduceEntry* entry : std::exchange(waiting_, {})) fail(*entry, error);
}

void Producer::Core::fail_batch(Sender& sender, const std::exception_ptr& error) {
  for (ProduceEntry*& entry : sender.batch) {
    if (entry != nullptr) fail(*std::exchange(entry, nullptr), error);
  }
}

void Producer::Core::take_id(Sender& sender, std::string id) {
  sender.id = std::move(id);
  sender.key = keys_.producer(sender.id);
  sender.number = 0;
}

bool Producer::Core::Sender::batch_open() const noexcept {
  return std::ranges::any_of(batch, [](const auto* entry) { return entry != nullptr; });
}

TimePoint Producer::Core::Sender::first_deadline() const noexcept {
  TimePoint first = TimePoint::max();
  for (const ProduceEntry* entry : batch) {
    if (entry != nullptr) first = std::min(first, entry->deadline);
  }
  return first;
}

TimePoint Producer::Core::Sender::last_deadline() const noexcept {
  TimePoint last = TimePoint::min();
  for (const ProduceEntry* entry : batch) {
    if (entry != nullptr) last = std::max(last, entry->deadline);
  }
  return last;
}

std::exception_ptr Producer::Core::too_late() const {
  if (trouble_ != nullptr && lane().ready()) return trouble_;
  std::string text = "produce: the message could not be sent in time";
  if (!lane().ready()) {
    const std::string why = lane().last_error();
    text += ": no connection to Redis";
    if (!why.empty()) text += ": " + why;
  }
  return std::make_exception_ptr(TimeoutError(text));
}

void Producer::Core::expire() {
  const TimePoint now = loop().now();
  while (!waiting_.empty() && waiting_.front()->deadline <= now) {
    ProduceEntry& entry = *waiting_.front();
    waiting_.pop_front();
    fail(entry, too_late());
  }
  for (Sender& sender : senders_) {
    if (!sender.maybe_applied) continue;
    for (ProduceEntry*& entry : sender.batch) {
      if (entry == nullptr || entry->deadline > now) continue;
      fail(*std::exchange(entry, nullptr),
           std::make_exception_ptr(
               OutcomeUnknown("produce: the message was sent, and no reply came in time")));
    }
  }
}

// The timer may fire too early, which costs a look, but never too late.
void Producer::Core::arm_timer() {
  TimePoint due = waiting_.empty() ? TimePoint::max() : waiting_.front()->deadline;
  for (const Sender& sender : senders_) {
    if (sender.maybe_applied) due = std::min(due, sender.first_deadline());
  }
  if (due == TimePoint::max() || loop().stopping()) return;
  if (timer_ && timer_due_ <= due) return;
  if (timer_) loop().cancel(timer_);
  timer_due_ = due;
  timer_ = loop().call_at(due, [this] {
    timer_ = {};
    expire();
    arm_timer();
  });
}

}  // namespace mx_rmq::broker
