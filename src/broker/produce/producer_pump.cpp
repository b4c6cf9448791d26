#include <algorithm>
#include <exception>
#include <string>
#include <utility>

#include "broker/produce/producer_core.hpp"
#include "mx_rmq/errors.hpp"
#include "mx_rmq/runtime.hpp"
#include "mx_rmq_scripts.hpp"
#include "redis/wire/call_end.hpp"
#include "runtime/log.hpp"

// Making batches of what waits, and sending each until it is answered or given up.
namespace mx_rmq::broker {

using redis::CallEnd;

namespace {

std::exception_ptr unknown(const CallEnd& cause) {
  return std::make_exception_ptr(
      OutcomeUnknown("produce: the message was sent, no reply came, and then: " + cause.what()));
}

}  // namespace

/// How one sending of a batch ended.
struct Producer::Core::Attempt {
  CallEnd end;
  ProduceReply reply;
  TimePoint sent{};
};

Task<> Producer::Core::pump(std::shared_ptr<Core> self, Sender* sender) {
  CallEnd end;
  try {
    co_await pump_until_empty(self, sender);
  } catch (...) {
    end = CallEnd::caught();
  }
  if (!end.answered()) {  // the loop ends, or memory is short
    self->fail_batch(*sender, unknown(end));
    self->fail_waiting(end.error());
  }
  sender->end_batch();
  sender->running = false;
  if (std::ranges::none_of(self->senders_, &Sender::running)) self->idle_.set();
}

Task<> Producer::Core::pump_until_empty(std::shared_ptr<Core> self, Sender* sender) {
  runtime::Backoff pauses = resend_pauses();
  for (;;) {
    // Whoever is ready now may have a message for this batch, unless it is full anyway.
    if (self->waiting_.size() < self->options_.max_batch_messages) co_await self->loop().yield();
    if (!self->worth_sending(*sender)) co_return;
    bool went_well = true;
    if (!self->lane().ready()) {
      went_well = co_await connect(self);
    } else {
      went_well = co_await deliver(self, sender);
    }
    if (went_well) {
      pauses.reset();
    } else if (!self->waiting_.empty()) {
      const Duration wait = pauses.next();
      co_await sleep_for(wait);
    }
  }
}

// Waits for a connection, at most until the first message must be told. No batch is made before: a message
// that waits outside is never in doubt. A connection that falls silent at once must not cost the whole time.
Task<bool> Producer::Core::connect(std::shared_ptr<Core> self) {
  const TimePoint soon = self->loop().now() + self->options_.attempt_timeout;
  const TimePoint deadline = std::min(self->waiting_.front()->deadline, soon);
  redis::Command time = redis::Command::of("TIME");
  CallEnd end;
  try {
    co_await self->lane().send(std::move(time), deadline);
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
      self->fail_waiting(end.error());
      co_return false;
    case End::broken:
      end.rethrow();
    case End::no_reply:
      // A batch sent there would be in doubt for nothing.
      if (deadline == soon) self->lane().reconnect(self->lane().epoch(), "it does not answer");
      break;
    default:
      break;
  }
  self->expire();
  co_return end.kind() == End::too_late;
}

// Takes into the batch what waits and has time left.
void Producer::Core::fill(Sender& sender, ProduceBatch& encoded) {
  const TimePoint now = loop().now();
  sender.end_batch();
  while (!waiting_.empty()) {
    ProduceEntry& entry = *waiting_.front();
    if (entry.deadline <= now) {
      waiting_.pop_front();
      fail(entry, too_late());
      continue;
    }
    // The number of its batch is not kept for longer.
    entry.deadline = std::min(entry.deadline, now + options_.longest_timeout);
    try {
      if (!encoded.add(*entry.message)) break;
      sender.batch.push_back(&entry);
    } catch (...) {
      fail(entry, std::current_exception());
    }
    waiting_.pop_front();
  }
}

// False: the messages wait again, and there should be a pause.
Task<bool> Producer::Core::deliver(std::shared_ptr<Core> self, Sender* sender) {
  const ProducerOptions& options = self->options_;
  BatchLimits limits;
  limits.now = self->caller_.clock().now_ms();
  limits.grace = options.grace;
  limits.max_recoveries = options.max_recoveries;
  limits.max_messages = options.max_batch_messages;
  limits.max_bytes = options.max_batch_bytes;
  ProduceBatch encoded(limits, std::move(sender->envelopes));
  self->fill(*sender, encoded);
  if (sender->batch.empty()) co_return true;
  self->arm_timer();
  const ProduceCommand command =
      encoded.build(self->keys_, sender->key, ++sender->number, 2 * options.longest_timeout);
  sender->envelopes = encoded.release();

  runtime::Backoff pauses = resend_pauses();
  for (;;) {
    // Nothing executed yet: up to the first deadline, so that its owner gets a clear answer. Else whoever is
    // late has been told already.
    const TimePoint limit =
        sender->maybe_applied ? sender->last_deadline() : sender->first_deadline();
    const TimePoint soon = self->loop().now() + options.attempt_timeout;
    Attempt attempt = co_await try_once(self, command.command, std::min(limit, soon));
    if (attempt.end.answered()) {
      self->trouble_ = nullptr;
      if (attempt.reply.again && !sender->maybe_applied) {
        // The number was taken, though no copy of this batch was sent before: the id is not ours alone.
        runtime::log::warn("another producer has the same id; taking a new one", "topic",
                           self->keys_.topic(), "id", sender->id);
        self->take_id(*sender, random_id(self->lane().rng()));
        self->dissolve(*sender, nullptr);
        co_return true;
      }
      self->apply(*sender, attempt.reply, command);
      co_return true;
    }
    if (self->give_up(*sender, attempt)) {
      const bool again = !self->waiting_.empty() && attempt.end.kind() != CallEnd::Kind::no_reply;
      co_return !again;
    }
    ++self->counts_.resent;
    const Duration wait = pauses.next();
    co_await sleep_for(wait);
    if (!sender->batch_open()) break;
  }
  sender->end_batch();
  co_return true;
}

Task<Producer::Core::Attempt> Producer::Core::try_once(std::shared_ptr<Core> self,
                                                       redis::Command command, TimePoint deadline) {
  Attempt out;
  out.sent = self->loop().now();
  try {
    redis::Reply reply = co_await self->lane().eval(lua::produce, command, deadline);
    out.reply = read_produce(std::move(reply));
  } catch (...) {
    out.end = CallEnd::caught();
  }
  if (out.end.answered()) {
    self->caller_.clock().observe(out.reply.now, out.sent, self->loop().now());
  }
  co_return out;
}

void Producer::Core::apply(Sender& sender, const ProduceReply& reply,
                           const ProduceCommand& command) {
  std::vector<ProduceEntry*>& batch = sender.batch;
  ++counts_.batches;
  counts_.messages += batch.size();
  std::vector<Produced> results(batch.size(), Produced::enqueued);
  for (const std::uint32_t place : reply.duplicates) {
    if (place < command.special.size()) results[command.special[place]] = Produced::duplicate;
  }
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (batch[i] != nullptr) finish(*batch[i], results[i]);
  }
  sender.end_batch();
}

// After an attempt that was not answered: true if the batch is done with, false if it is to be sent again.
bool Producer::Core::give_up(Sender& sender, const Attempt& attempt) {
  using End = CallEnd::Kind;
  switch (attempt.end.kind()) {
    case End::no_reply:
      sender.maybe_applied = true;
      expire();
      arm_timer();
      break;
    case End::not_sent:
    case End::too_late:
    case End::not_now:
      if (!sender.maybe_applied) {
        if (attempt.end.kind() == End::not_now) trouble_ = attempt.end.error();
        dissolve(sender, attempt.end.error());
        return true;
      }
      expire();
      break;
    default:  // half done, refused for good, the end: no copy is sent
      sender.maybe_applied = sender.maybe_applied || attempt.end.maybe_executed();
      fail_batch(sender, sender.maybe_applied ? unknown(attempt.end) : attempt.end.error());
      break;
  }
  if (sender.batch_open()) return false;
  sender.end_batch();
  return true;
}

// Surely nothing of the batch was executed: those whose time has come get `error`, the others wait again,
// each in its old place.
void Producer::Core::dissolve(Sender& sender, const std::exception_ptr& error) {
  const TimePoint now = loop().now();
  std::vector<ProduceEntry*> again;
  for (ProduceEntry*& place : sender.batch) {
    ProduceEntry* const entry = std::exchange(place, nullptr);
    if (entry == nullptr) continue;
    if (error != nullptr && entry->deadline <= now) {
      fail(*entry, error);
    } else {
      again.push_back(entry);
    }
  }
  sender.batch.clear();
  const auto middle = static_cast<std::ptrdiff_t>(again.size());
  waiting_.insert(waiting_.begin(), again.begin(), again.end());
  std::ranges::inplace_merge(waiting_, waiting_.begin() + middle, {}, &ProduceEntry::order);
  arm_timer();
}

}  // namespace mx_rmq::broker
