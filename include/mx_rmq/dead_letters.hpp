#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mx_rmq/message.hpp"
#include "mx_rmq/task.hpp"

namespace mx_rmq {

/// A message that was given up on.
struct DeadLetter {
  DeadLetter();

  /// The message as it was when it died; message.meta tells its attempts. Of one that could not be
  /// read (reason "decode") only topic and id are set, the id being the name under which it is
  /// kept.
  Message message;
  /// Why: "retries" (all attempts failed), "rejected" (the handler threw Reject), "expired" (nobody
  /// began it in time, or its next retry would have been too late: last_error tells), "decode"
  /// (envelope or payload could not be read), "poison" (taken back from dead consumers more than
  /// MQConfig::max_recoveries times) or "interrupted" (cut short by stops more than
  /// MQConfig::max_interruptions times).
  std::string reason;
  /// What the last attempt ended with, and where that does not explain the reason, what does; cut
  /// to MQConfig::max_error_bytes.
  std::string last_error;
  /// When it became a dead letter: milliseconds since 1970 UTC, by the Redis server's clock.
  std::int64_t dead_at = 0;
  /// The stored envelope byte for byte, for reason "decode"; empty otherwise.
  std::string raw;
};

namespace detail {

/// What a queue supplies behind a DeadLetterQueue. Arguments have been checked.
class DeadLetterOps {
 public:
  DeadLetterOps() = default;
  DeadLetterOps(const DeadLetterOps&) = delete;
  DeadLetterOps& operator=(const DeadLetterOps&) = delete;
  virtual ~DeadLetterOps();

  virtual Task<std::int64_t> count(std::string topic) = 0;
  virtual Task<std::vector<DeadLetter>> list(std::string topic, std::int64_t offset,
                                             std::int64_t count) = 0;
  virtual Task<std::optional<DeadLetter>> get(std::string topic, std::string id) = 0;
  virtual Task<bool> requeue(std::string topic, std::string id) = 0;
  virtual Task<std::int64_t> requeue_all(std::string topic) = 0;
  virtual Task<bool> remove(std::string topic, std::string id) = 0;
  virtual Task<std::int64_t> purge(std::string topic) = 0;
};

}  // namespace detail

/// The dead letters of a queue's topics: look at them, put them back to work, throw them away.
///
/// A cheap handle; copies speak to the same queue and may be used after it, when every call ends
/// with ShutdownError. All members are thread-safe, and each Task may be awaited from any thread or
/// coroutine; it ends on the loop thread of the queue's Runtime. No handler and no initialize() is
/// needed.
///
/// Every call throws std::invalid_argument, at once, for a bad topic, id, offset or count, and by
/// its task ConnectionError, TimeoutError or ServerError (nothing was done), and OutcomeUnknown
/// (below). The calls that run through many letters (requeue_all, purge) do so in bounded steps; an
/// error in between leaves the steps before it done, and calling again goes on.
class DeadLetterQueue {
 public:
  /// For queues and tests. `ops` must not be null.
  explicit DeadLetterQueue(std::shared_ptr<detail::DeadLetterOps> ops);

  /// How many there are.
  Task<std::int64_t> count(std::string topic);

  /// At most `count` of them, the newest first, leaving out the newest `offset`. Letters that come
  /// or go between two pages shift what the second one shows.
  Task<std::vector<DeadLetter>> list(std::string topic, std::int64_t offset = 0,
                                     std::int64_t count = 100);

  /// The one of that id, if there is one.
  Task<std::optional<DeadLetter>> get(std::string topic, std::string id);

  /// Puts it back at the end of its list; its attempts, recoveries, interruptions and time to live
  /// start anew.
  /// False: there is none of that id, or its envelope cannot be read (it stays where it is).
  /// OutcomeUnknown: a lost call was re-sent and found nothing; it was most likely requeued by the
  /// first.
  Task<bool> requeue(std::string topic, std::string id);

  /// Puts back all that were dead when the call began, oldest first; how many those were.
  /// Unreadable ones stay.
  Task<std::int64_t> requeue_all(std::string topic);

  /// Throws it away; a chosen id may then be used again. False: there is none of that id.
  /// OutcomeUnknown: a lost call was re-sent and found nothing; it was most likely removed by the
  /// first.
  Task<bool> remove(std::string topic, std::string id);

  /// Throws away all that were dead when the call began; how many those were.
  Task<std::int64_t> purge(std::string topic);

 private:
  std::shared_ptr<detail::DeadLetterOps> ops_;
};

}  // namespace mx_rmq
