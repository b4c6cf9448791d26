#include "broker/produce/producer.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <string>
#include <utility>

#include "broker/data/random_id.hpp"
#include "broker/produce/batch_under_way.hpp"
#include "broker/produce/produce_batch.hpp"
#include "broker/produce/produce_line.hpp"
#include "broker/scripts/calls_produce.hpp"
#include "mx_rmq/errors.hpp"
#include "mx_rmq/runtime.hpp"
#include "redis/wire/call_end.hpp"
#include "runtime/event.hpp"
#include "runtime/log.hpp"
#include "runtime/planted.hpp"

namespace mx_rmq::broker {

using redis::CallEnd;

namespace {

std::exception_ptr unknown(const CallEnd& cause) {
  return std::make_exception_ptr(
      OutcomeUnknown("produce: the message was sent, no reply came, and then: " + cause.what()));
}

}  // namespace

/// What a producer has and does; held by it and by the coroutines that send its batches.
class Producer::Core {
 public:
  Core(runtime::Scope& scope, ScriptCaller caller, const TopicKeys& keys, ProducerOptions options);
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  static Task<std::vector<ProduceOutcome>> submit_many(std::shared_ptr<Core> self,
                                                       std::vector<OutgoingEnvelope> messages,
                                                       TimePoint deadline);
  static Task<std::vector<ProduceOutcome>> submit_these(
      std::shared_ptr<Core> self, std::vector<const OutgoingEnvelope*> messages,
      TimePoint deadline);
  static Task<> close(std::shared_ptr<Core> self, TimePoint deadline);
  redis::Route& route() const noexcept { return *senders_.front().route; }
  /// The entries and their messages must live until they have their outcome.
  static void enqueue(const std::shared_ptr<Core>& self, std::span<ProduceEntry> entries);
  /// Ends everybody's wait now.
  void abandon();

  const std::string& id() const noexcept { return senders_.front().id; }
  std::size_t waiting() const noexcept { return line_.size(); }
  std::size_t in_flight() const noexcept;
  ProducerCounts counts() const noexcept { return counts_; }
  bool idle() const noexcept { return line_.empty() && idle_.is_set(); }
  std::uint64_t last_number() const noexcept;

 private:
  /// Sends numbered batches, one at a time, under an id of its own: its number tells Redis what it
  /// has of this sender, whatever the others do. It lives as long as its core.
  struct Sender {
    explicit Sender(runtime::EventLoop& loop) : batch(loop) {}

    std::string id;
    std::string key;  // of the number of the last batch applied
    BatchUnderWay batch;
    std::string envelopes;  // memory of the batch being encoded
    redis::Route* route = nullptr;
    std::uint64_t number = 0;  // of the last batch made
    bool running = false;
  };

  /// How one sending of a batch ended.
  struct Sending {
    CallEnd end;
    Produce::Reply reply;
    redis::Reply replicas;  // what WAIT was answered
    TimePoint sent{};
  };

  // Sending.
  static Task<> pump(std::shared_ptr<Core> self, Sender* sender);
  static Task<> pump_until_empty(std::shared_ptr<Core> self, Sender* sender);
  static Task<bool> connect(std::shared_ptr<Core> self, Sender* sender);
  static Task<bool> deliver(std::shared_ptr<Core> self, Sender* sender);
  static Task<Sending> try_once(std::shared_ptr<Core> self, Sender* sender, redis::Command command,
                                TimePoint deadline);
  [[nodiscard]] std::vector<redis::Command> wait_commands(const Sender& sender) const;
  [[nodiscard]] std::exception_ptr not_replicated(const redis::Reply& replicas) const;
  void fill(Sender& sender, ProduceBatch& encoded);
  bool give_up(Sender& sender, const Sending& sending);
  void dissolve(Sender& sender, const std::exception_ptr& error);
  void take_id(Sender& sender, std::string id);

  // Who waits for what, and how long.
  [[nodiscard]] bool worth_sending(const Sender& sender) const noexcept;
  static void start_senders(const std::shared_ptr<Core>& self);
  [[nodiscard]] std::exception_ptr too_late() const;
  void expire();
  void arm_timer();
  void warn_mute();
  [[nodiscard]] BatchLimits batch_limits() const;
  [[nodiscard]] Produce::SettingsLook settings_look(const ProduceBatch& batch);

  runtime::EventLoop& loop() const noexcept { return caller_.loop(); }

  runtime::Scope& scope_;
  const ScriptCaller caller_;
  const TopicKeys& keys_;
  const ProducerOptions options_;

  ProduceLine line_;
  std::array<Sender, 3> senders_;
  std::exception_ptr trouble_;  // Redis's last refusal for the time being
  bool closing_ = false;
  runtime::Event idle_;  // set while no sender runs
  runtime::TimerId timer_;
  TimePoint timer_due_{};
  TimePoint look_at_{};  // from then on a batch looks at the settings
  ProducerCounts counts_;
  runtime::log::Every mute_gate_{std::chrono::minutes(1)};
};

// --- the public side ---

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

Task<std::vector<ProduceOutcome>> Producer::submit_all(
    std::vector<const OutgoingEnvelope*> messages, TimePoint deadline) {
  return Core::submit_these(core_, std::move(messages), deadline);
}

void Producer::connect() { core_->route().connect(); }
bool Producer::connected() const noexcept { return core_->route().ready(); }

Task<> Producer::close(TimePoint deadline) { return Core::close(core_, deadline); }

const std::string& Producer::id() const noexcept { return core_->id(); }
std::size_t Producer::waiting() const noexcept { return core_->waiting(); }
std::size_t Producer::in_flight() const noexcept { return core_->in_flight(); }
ProducerCounts Producer::counts() const noexcept { return core_->counts(); }
bool Producer::idle() const noexcept { return core_->idle(); }
std::uint64_t Producer::last_number() const noexcept { return core_->last_number(); }

// --- who waits for what, and how long ---

Producer::Core::Core(runtime::Scope& scope, ScriptCaller caller, const TopicKeys& keys,
                     ProducerOptions options)
    : scope_(scope),
      caller_(caller),
      keys_(keys),
      options_(std::move(options)),
      line_(loop()),
      senders_{Sender(loop()), Sender(loop()), Sender(loop())},
      idle_(loop()) {
  const std::string id = options_.id.empty() ? random_id(caller_.route().rng()) : options_.id;
  for (std::size_t i = 0; i < senders_.size(); ++i) {
    senders_[i].route = options_.wait_replicas > 0 ? options_.durable[i] : &caller_.route();
    assert(senders_[i].route != nullptr && "who waits for replicas has routes for it");
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
  std::vector<const OutgoingEnvelope*> all;
  all.reserve(messages.size());
  for (const OutgoingEnvelope& message : messages) all.push_back(&message);
  std::vector<ProduceOutcome> out =
      co_await submit_these(std::move(self), std::move(all), deadline);
  co_return out;
}

Task<std::vector<ProduceOutcome>> Producer::Core::submit_these(
    std::shared_ptr<Core> self, std::vector<const OutgoingEnvelope*> messages, TimePoint deadline) {
  ProduceGroup group(messages.size());
  std::vector<ProduceEntry> entries(messages.size());
  for (std::size_t i = 0; i < messages.size(); ++i) {
    entries[i].message = messages[i];
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
  if (self->line_.size() + entries.size() > self->options_.max_waiting) {
    throw Overloaded("produce: " + std::to_string(self->line_.size()) + " messages of topic " +
                     self->keys_.topic() + " wait already, and at most " +
                     std::to_string(self->options_.max_waiting) + " may");
  }
  self->line_.push(entries);
  try {
    self->arm_timer();
    start_senders(self);
  } catch (...) {
    self->line_.drop_last(entries.size());  // they go with their frame
    throw;
  }
}

bool Producer::Core::worth_sending(const Sender& sender) const noexcept {
  if (line_.empty()) return false;
  const bool alone = std::ranges::none_of(
      senders_, [&sender](const Sender& each) { return &each != &sender && each.running; });
  // Redis and this process then work at the same time; for a few messages it is not worth a trip of
  // its own, they join the next batch.
  return alone || line_.size() >= options_.overlap_messages;
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
  line_.fail_all(std::make_exception_ptr(
      ShutdownError("produce: the queue was stopped before the message was sent")));
  for (Sender& sender : senders_) {
    if (!sender.batch.is_open()) continue;
    sender.batch.set_maybe_applied();
    sender.batch.fail_all(std::make_exception_ptr(
        OutcomeUnknown("produce: the queue was stopped before Redis had answered")));
  }
}

void Producer::Core::take_id(Sender& sender, std::string id) {
  sender.id = std::move(id);
  sender.key = keys_.producer(sender.id);
  sender.number = 0;
}

std::exception_ptr Producer::Core::too_late() const {
  if (trouble_ != nullptr && route().ready()) return trouble_;
  std::string text = "produce: the message could not be sent in time";
  if (!route().ready()) {
    const std::string why = route().last_error();
    text += ": no connection to Redis";
    if (!why.empty()) text += ": " + why;
  }
  return std::make_exception_ptr(TimeoutError(text));
}

void Producer::Core::expire() {
  const TimePoint now = loop().now();
  while (line_.first_deadline() <= now) line_.fail_front(too_late());
  for (Sender& sender : senders_) {
    if (!sender.batch.maybe_applied() || sender.batch.first_deadline() > now) continue;
    sender.batch.fail_late(now, std::make_exception_ptr(OutcomeUnknown(
                                    "produce: the message was sent, and no reply came in time")));
  }
}

// The timer may fire too early, which costs a look, but never too late.
void Producer::Core::arm_timer() {
  TimePoint due = line_.first_deadline();
  for (const Sender& sender : senders_) {
    if (sender.batch.maybe_applied()) due = std::min(due, sender.batch.first_deadline());
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

// --- sending ---

Task<> Producer::Core::pump(std::shared_ptr<Core> self, Sender* sender) {
  CallEnd end;
  try {
    co_await pump_until_empty(self, sender);
  } catch (...) {
    end = CallEnd::caught();
  }
  if (!end.answered()) {  // the loop ends, or memory is short
    sender->batch.fail_all(unknown(end));
    sender->batch.end();
    self->line_.fail_all(end.error());
  }
  assert(sender->batch.empty() && "a sender ends when its batch has");
  sender->running = false;
  if (std::ranges::none_of(self->senders_, &Sender::running)) self->idle_.set();
}

Task<> Producer::Core::pump_until_empty(std::shared_ptr<Core> self, Sender* sender) {
  runtime::Backoff pauses = resend_pauses();
  for (;;) {
    // Whoever is ready now may have a message for this batch, unless it is full anyway.
    if (self->line_.size() < self->options_.max_batch_messages) co_await self->loop().yield();
    if (!sender->route->ready()) self->line_.move_away();
    if (!self->worth_sending(*sender)) co_return;
    bool went_well = true;
    if (!sender->route->ready()) {
      went_well = co_await connect(self, sender);
    } else {
      went_well = co_await deliver(self, sender);
    }
    if (went_well) {
      pauses.reset();
    } else if (!self->line_.empty()) {
      const Duration wait = pauses.next();
      co_await sleep_for(wait);
    }
  }
}

// Waits for a connection, at most until the first message must be told. No batch is made before: a
// message that waits outside is never in doubt. A connection that falls silent at once must not
// cost the whole time.
Task<bool> Producer::Core::connect(std::shared_ptr<Core> self, Sender* sender) {
  const TimePoint soon = self->loop().now() + self->options_.resend_after;
  const TimePoint deadline = std::min(self->line_.front().deadline, soon);
  redis::Command time = redis::Command::of("TIME");
  CallEnd end;
  try {
    co_await sender->route->send(std::move(time), deadline);
  } catch (...) {
    end = CallEnd::caught();
  }
  using End = CallEnd::Kind;
  switch (end.kind()) {
    case End::answered:
      co_return true;
    case End::refused:
    case End::not_now:
    case End::shut_down:
      self->line_.fail_all(end.error());
      co_return false;
    case End::broken:
      end.rethrow();
    case End::no_reply:
      // A batch sent there would be in doubt for nothing.
      if (deadline == soon) sender->route->reconnect(sender->route->epoch(), "it does not answer");
      break;
    default:
      break;
  }
  self->expire();
  co_return end.kind() == End::too_late;
}

// Takes into the batch what waits and has time left.
void Producer::Core::fill(Sender& sender, ProduceBatch& encoded) {
  assert(sender.batch.empty() && "a batch is made when the last one has ended");
  const TimePoint now = loop().now();
  while (!line_.empty()) {
    ProduceEntry& entry = line_.front();
    if (entry.deadline <= now) {
      line_.fail_front(too_late());
      continue;
    }
    // The number of its batch is not kept for longer.
    entry.deadline = std::min(entry.deadline, now + options_.longest_timeout);
    try {
      if (!encoded.add(*entry.message)) break;
      sender.batch.add(entry);
    } catch (...) {
      line_.fail_front(std::current_exception());
      continue;
    }
    line_.pop_front();
  }
}

BatchLimits Producer::Core::batch_limits() const {
  BatchLimits limits;
  limits.now = caller_.clock().now_ms();
  limits.latest = caller_.clock().latest_ms();
  limits.grace = options_.grace;
  limits.max_recoveries = options_.max_recoveries;
  limits.max_messages = options_.max_batch_messages;
  limits.max_bytes = options_.max_batch_bytes;
  return limits;
}

// False: the messages wait again, and there should be a pause.
Task<bool> Producer::Core::deliver(std::shared_ptr<Core> self, Sender* sender) {
  const ProducerOptions& options = self->options_;
  BatchUnderWay& batch = sender->batch;
  ProduceBatch encoded(self->batch_limits(), std::move(sender->envelopes));
  self->fill(*sender, encoded);
  if (batch.empty()) co_return true;
  self->arm_timer();
  const Produce::SettingsLook look = self->settings_look(encoded);
  Produce::Encoded command =
      encoded.build(self->keys_, sender->key, ++sender->number, 2 * options.longest_timeout,
                    self->route().channels(), look);
  if (!MX_RMQ_PLANTED("numbers_each_copy_of_a_batch")) sender->envelopes = encoded.release();

  runtime::Backoff pauses = resend_pauses();
  for (;;) {
    // Nothing executed yet: up to the first deadline, so that its owner gets a clear answer. Else
    // whoever is late has been told already.
    const TimePoint limit = batch.maybe_applied() ? batch.last_deadline() : batch.first_deadline();
    const Duration answered_after =
        Duration(options.resend_after) +
        (options.wait_replicas > 0 ? Duration(options.wait_timeout) : Duration::zero());
    const TimePoint soon = self->loop().now() + answered_after;
    Sending sending = co_await try_once(self, sender, command.command, std::min(limit, soon));
    if (sending.end.answered()) {
      self->trouble_ = nullptr;
      if (sending.reply.mute) self->warn_mute();
      if (sending.reply.again && !batch.maybe_applied() &&
          !MX_RMQ_PLANTED("uses_a_batch_number_again")) {
        // The number was taken, though no copy of this batch was sent before: the id is not ours
        // alone.
        runtime::log::warn("another producer has the same id; taking a new one", "topic",
                           self->keys_.topic(), "id", sender->id);
        self->take_id(*sender, random_id(self->route().rng()));
        self->dissolve(*sender, nullptr);
        co_return true;
      }
      if (sending.reply.stale) {
        // No version comes twice, so no copy of this batch that is still on its way is applied.
        batch.give_all(Produced::stale);
        co_return true;
      }
      ++self->counts_.batches;
      self->counts_.messages += batch.size();
      if (const auto error = self->not_replicated(sending.replicas)) {
        batch.fail_all(error);
        batch.end();
      } else {
        batch.apply(sending.reply, command.special);
      }
      co_return true;
    }
    if (self->give_up(*sender, sending)) {
      const bool again = !self->line_.empty() && sending.end.kind() != CallEnd::Kind::no_reply;
      co_return !again;
    }
    ++self->counts_.resent;
    // Nobody who can go elsewhere waits behind it.
    if (!sender->route->ready()) self->line_.move_away();
    if (MX_RMQ_PLANTED("numbers_each_copy_of_a_batch"))
      command = encoded.build(self->keys_, sender->key, ++sender->number,
                              2 * options.longest_timeout, self->route().channels());
    const Duration wait = pauses.next();
    co_await sleep_for(wait);
    if (!batch.is_open()) break;
  }
  batch.end();
  co_return true;
}

// WAIT proves something about what was written before it on its connection. A copy of a batch that
// was applied already writes nothing, so then something else is written that changes nothing.
std::vector<redis::Command> Producer::Core::wait_commands(const Sender& sender) const {
  std::vector<redis::Command> commands;
  if (options_.wait_replicas == 0) return commands;
  if (sender.batch.maybe_applied()) {
    commands.push_back(redis::Command::of("HINCRBY", keys_.stats, "produced", 0));
  }
  commands.push_back(
      redis::Command::of("WAIT", options_.wait_replicas, options_.wait_timeout.count()));
  return commands;
}

std::exception_ptr Producer::Core::not_replicated(const redis::Reply& replicas) const {
  if (options_.wait_replicas == 0) return nullptr;
  std::string text = "produce: the message is at the master, but ";
  if (replicas.is_error()) {
    text += "Redis refused WAIT: " + replicas.error_text();
  } else {
    const std::int64_t had = replicas.as_integer();
    if (had >= options_.wait_replicas) return nullptr;
    text += std::to_string(had) + " of the " + std::to_string(options_.wait_replicas) +
            " replicas of wait_replicas had it within " +
            std::to_string(options_.wait_timeout.count()) + " ms";
  }
  return std::make_exception_ptr(NotReplicated(text));
}

Task<Producer::Core::Sending> Producer::Core::try_once(std::shared_ptr<Core> self, Sender* sender,
                                                       redis::Command command, TimePoint deadline) {
  Sending out;
  out.sent = self->loop().now();
  std::vector<redis::Command> behind = self->wait_commands(*sender);
  try {
    redis::Reply reply;
    if (behind.empty()) {
      reply = co_await sender->route->eval(Produce::script, command, deadline);
    } else {
      reply = co_await sender->route->eval_with(Produce::script, command, std::move(behind),
                                                &out.replicas, deadline);
    }
    out.reply = Produce::decode(std::move(reply));
  } catch (...) {
    out.end = CallEnd::caught();
  }
  if (out.end.answered()) {
    self->caller_.clock().observe(out.reply.now, out.sent, self->loop().now());
    if (out.reply.settings && self->options_.settings_seen) {
      self->options_.settings_seen(*out.reply.settings);
    }
  }
  co_return out;
}

// After a sending that was not answered: true if the batch is done with, false if it is to be sent
// again.
bool Producer::Core::give_up(Sender& sender, const Sending& sending) {
  using End = CallEnd::Kind;
  BatchUnderWay& batch = sender.batch;
  const CallEnd& end = sending.end;
  switch (end.kind()) {
    case End::no_reply:
      if (MX_RMQ_PLANTED("takes_no_reply_for_not_sent")) {
        batch.fail_all(std::make_exception_ptr(ConnectionError("produce: not sent")));
        break;
      }
      if (MX_RMQ_PLANTED("routes_again_what_is_in_doubt")) {
        batch.give_all(Produced::moved);
        return true;
      }
      batch.set_maybe_applied();
      expire();
      arm_timer();
      break;
    case End::not_sent:
    case End::too_late:
    case End::not_now:
      if (!batch.maybe_applied()) {
        if (end.kind() == End::not_now) trouble_ = end.error();
        dissolve(sender, end.error());
        return true;
      }
      expire();
      break;
    default:  // half done, refused for good, the end: no copy is sent
      if (end.maybe_executed()) batch.set_maybe_applied();
      batch.fail_all(batch.maybe_applied() ? unknown(end) : end.error());
      break;
  }
  if (batch.is_open()) return false;
  if (MX_RMQ_PLANTED("uses_a_batch_number_again") && end.kind() == End::no_reply) --sender.number;
  batch.end();
  return true;
}

// What was routed by the settings names their version. Besides, now and then a batch brings back
// the version of what is set for the topic: no command more for it, and most batches do not pay for
// the look.
Produce::SettingsLook Producer::Core::settings_look(const ProduceBatch& batch) {
  Produce::SettingsLook out;
  out.must_be = batch.must();
  if (!MX_RMQ_PLANTED("notes_no_time_for_keys")) out.ids_until = batch.ids_until();
  const TimePoint now = loop().now();
  if (!options_.settings_seen || now < look_at_) return out;
  look_at_ = now + Duration(options_.look_every);
  out.look = true;
  return out;
}

// The messages are stored all the same.
void Producer::Core::warn_mute() {
  runtime::log::warn(mute_gate_,
                     "idle consumers cannot be woken: Redis refuses to publish (the rights are in "
                     "docs/operations.md); they find messages when they next look",
                     "topic", keys_.topic());
}

// Surely nothing of the batch was executed: those whose time has come get `error`, the others wait
// again.
void Producer::Core::dissolve(Sender& sender, const std::exception_ptr& error) {
  line_.give_back(sender.batch.dissolve(loop().now(), error));
  arm_timer();
}

}  // namespace mx_rmq::broker
