#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mx_rmq/task.hpp"

#include "broker/data/keys.hpp"
#include "broker/data/outgoing_envelope.hpp"
#include "broker/produce/produce_entry.hpp"
#include "broker/scripts/script_caller.hpp"
#include "runtime/scope.hpp"

namespace mx_rmq::broker {

struct ProducerOptions {
  std::string id;  ///< unique among all producers of the topic; empty = a random one
  /// Batches are numbered from the one after this: the last one that an earlier producer of this id
  /// may have sent.
  std::uint64_t after = 0;
  /// The longest time between a submit and its deadline. The number of a batch is kept for twice
  /// that.
  std::chrono::milliseconds longest_timeout{30'000};
  /// After so long without a reply what was sent is sent again: a dead connection must not cost the
  /// whole time.
  std::chrono::milliseconds resend_after{5'000};
  /// How long a chosen id counts beyond the message's expiry: longer than it can be in work by
  /// then.
  std::chrono::milliseconds grace{0};
  std::int32_t max_recoveries = 3;
  /// So many replicas must have a batch before it counts as produced, within `wait_timeout`; 0: it
  /// is not waited for.
  int wait_replicas = 0;
  std::chrono::milliseconds wait_timeout{1'000};
  /// The routes of the senders, each with a connection of its own, if it is waited for. They must
  /// outlive the producer and its tasks.
  std::array<redis::Route*, 3> durable{};
  /// Told the version of what is set for the topic, as batches find it: the first one, and one in
  /// `look_every`. Must not throw.
  std::function<void(std::int64_t)> settings_seen;
  std::chrono::milliseconds look_every{1'000};
  std::size_t max_waiting = 100'000;  ///< messages waiting to join a batch
  std::size_t max_batch_messages = 256;
  std::size_t overlap_messages = 64;  ///< so many waiting are worth a further batch under way
  std::size_t max_batch_bytes = std::size_t{4}
                                << 20;  ///< of envelopes; one message is always allowed
};

struct ProducerCounts {
  std::uint64_t batches = 0;   ///< answered
  std::uint64_t messages = 0;  ///< in those
  std::uint64_t resent = 0;    ///< copies of batches sent after a lost reply
};

/// Group commit of one topic's messages. Loop thread only; tasks resume there.
///
/// Messages that arrive while a batch is under way form the next one; an idle producer lets
/// everything that is ready on the loop run first, so that simultaneous callers share a batch.
/// Batches are numbered, and one of each sender is under way at a time: n+1 is made when n has been
/// answered or given up, never while n may be sent again. There are three senders, each with an id
/// and numbers of its own; the second and the third work when many messages wait, so that Redis and
/// this process are busy at the same time. Messages are sent in the order they were submitted; only
/// when a batch must be sent again may one submitted after it come first, and never one submitted
/// after the outcome of the other was known.
///
/// Deadlines. Each message has its own, and is answered by it:
/// - Waiting to join a batch (another one is under way, or there is no connection): TimeoutError,
///   and it is never sent. Batches are made only on a usable connection, so this is how long
///   outages end.
/// - In a batch of which surely nothing was executed (not written, or refused for the time being):
///   the batch is tried until the first deadline among its messages. Those whose deadline has come
///   get the error of the last try; the others wait again, in front, and join the next batch.
/// - In a batch that may have been executed: sent again, same number and bytes, until the last
///   deadline among its messages. Each gets OutcomeUnknown at its own deadline, while the batch
///   goes on for the others. Nobody is told "not sent" of something that was or still may be
///   applied. Refused for good (OOM, NOPERM ...): ServerError at once. An error raised inside the
///   script, or a refusal of a batch that may have been executed by an earlier copy: OutcomeUnknown
///   at once. A batch that was given up is refused by its number if a copy of it arrives after the
///   next one. Deadlines are expected not to fall from submit to submit (call time plus one
///   timeout): a message that waits behind a later deadline may be told late.
class Producer {
 public:
  class Core;

  /// The route and the keys must outlive it and its tasks. `scope` runs its work: it must
  /// be joined after the lane was closed, and not before close() has been awaited.
  Producer(runtime::Scope& scope, ScriptCaller caller, const TopicKeys& keys,
           ProducerOptions options);
  /// Whoever still waits then gets ShutdownError, or OutcomeUnknown if it may have been sent.
  ~Producer();
  Producer(const Producer&) = delete;
  Producer& operator=(const Producer&) = delete;

  /// One message that was queued; awaitable, once, to what became of it. It stays where it was
  /// made, and must live until then.
  class Submission {
   public:
    Submission(const std::shared_ptr<Core>& core, const OutgoingEnvelope& message,
               TimePoint deadline);
    Submission(const Submission&) = delete;
    Submission& operator=(const Submission&) = delete;

    bool await_ready() const noexcept { return group_.await_ready(); }
    void await_suspend(std::coroutine_handle<> awaiter) noexcept { group_.await_suspend(awaiter); }
    Produced await_resume() const {
      if (entry_.outcome.error) std::rethrow_exception(entry_.outcome.error);
      return entry_.outcome.result;
    }

   private:
    ProduceGroup group_{1};
    ProduceEntry entry_;
  };

  /// Queues it; what it gives completes when Redis has taken it. `message` must live until then.
  /// Errors: see above; Overloaded when max_waiting messages wait already, ShutdownError after
  /// close(): nothing was queued.
  Submission submit(const OutgoingEnvelope& message, TimePoint deadline);
  /// The same for several, which are queued at once and in order; completes when all have their
  /// outcome. All or none are refused with Overloaded or ShutdownError, which this then throws.
  Task<std::vector<ProduceOutcome>> submit_all(std::vector<OutgoingEnvelope> messages,
                                               TimePoint deadline);

  /// Refuses new messages and waits until those under way are done. At `deadline` what still waits
  /// gets ShutdownError and what may have been sent OutcomeUnknown. Idempotent; never throws.
  Task<> close(TimePoint deadline);

  /// The same for messages that live until it has completed.
  Task<std::vector<ProduceOutcome>> submit_all(std::vector<const OutgoingEnvelope*> messages,
                                               TimePoint deadline);

  /// Begins to connect, if that was not begun.
  void connect();
  /// Whether there is a usable connection.
  [[nodiscard]] bool connected() const noexcept;
  [[nodiscard]] const std::string& id() const noexcept;
  /// Messages waiting to join a batch.
  [[nodiscard]] std::size_t waiting() const noexcept;
  /// Messages in the batches under way.
  [[nodiscard]] std::size_t in_flight() const noexcept;
  [[nodiscard]] ProducerCounts counts() const noexcept;
  /// Nothing waits or is under way.
  [[nodiscard]] bool idle() const noexcept;
  /// The highest number of a batch made so far.
  [[nodiscard]] std::uint64_t last_number() const noexcept;

 private:
  std::shared_ptr<Core> core_;  // the work under way holds it too
};

}  // namespace mx_rmq::broker
