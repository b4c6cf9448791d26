#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mx_rmq/message.hpp"
#include "mx_rmq/task.hpp"

namespace mx_rmq {

/// A message that was given up.
struct DeadLetter {
  DeadLetter();

  /// The message as it was when it became a dead letter; message.meta has its attempts. If it could
  /// not be read (reason "decode"), only topic and id are set, and the id is the name under which
  /// it is kept.
  Message message;
  /// Why it was given up:
  ///
  /// - "retries": all attempts failed.
  /// - "rejected": the handler threw Reject.
  /// - "expired": no handler began it in time, or its next retry would have been too late
  ///   (last_error says which).
  /// - "decode": the stored message or its payload could not be read.
  /// - "poison": taken back from dead consumers more than MQConfig::max_recoveries times.
  /// - "interrupted": cut short by stops more than MQConfig::max_interruptions times.
  std::string reason;
  /// What the last attempt ended with. Where that does not explain the reason, the explanation
  /// stands before it. Cut to MQConfig::max_error_bytes.
  std::string last_error;
  /// When it became a dead letter: milliseconds since 1970 UTC, by the Redis server's clock.
  std::int64_t dead_at = 0;
  /// For the reason "decode", what was stored, byte for byte; otherwise empty.
  std::string raw;
};

namespace detail {
class QueueCore;
}  // namespace detail

/// The dead letters of a queue's topics: look at them, put them back to work, throw them away.
///
/// It is a cheap handle: copies speak to the same queue. They may outlive the queue; every call
/// then ends with ShutdownError. All members are thread-safe, and each Task may be awaited from any
/// thread or coroutine; it ends on the loop thread of the queue's Runtime. The topics need no
/// handler, and initialize() need not have been called.
///
/// Every call throws std::invalid_argument at once for a bad topic, id, offset or count. Its task
/// throws ConnectionError, TimeoutError or ServerError (nothing was done), or OutcomeUnknown
/// (below). requeue_all and purge work in bounded steps. An error between two steps leaves the
/// earlier ones done, and calling again goes on from there.
class DeadLetterQueue {
 public:
  /// How many there are.
  Task<std::int64_t> count(std::string topic);

  /// A page: at most `count` of them, the newest first, without the newest `offset`. Letters that
  /// come or go between two calls shift what the second one shows.
  Task<std::vector<DeadLetter>> list(std::string topic, std::int64_t offset = 0,
                                     std::int64_t count = 100);

  /// The one with that id, if there is one.
  Task<std::optional<DeadLetter>> get(std::string topic, std::string id);

  /// Puts it back at the end of its list. Its attempts, recoveries, interruptions and time to live
  /// start anew. False: there is none with that id, or it cannot be read (then it stays where it
  /// is). Throws OutcomeUnknown if a call was sent again after a lost reply and found nothing: most
  /// likely the first one has requeued it.
  Task<bool> requeue(std::string topic, std::string id);

  /// Puts back all that were dead when the call began, the oldest first, and gives their number.
  /// What cannot be read stays.
  Task<std::int64_t> requeue_all(std::string topic);

  /// Throws it away; a chosen id may then be used again. False: there is none with that id. Throws
  /// OutcomeUnknown if a call was sent again after a lost reply and found nothing: most likely the
  /// first one has removed it.
  Task<bool> remove(std::string topic, std::string id);

  /// Throws away all that were dead when the call began, and gives their number.
  Task<std::int64_t> purge(std::string topic);

 private:
  friend class RedisMessageQueue;
  explicit DeadLetterQueue(std::shared_ptr<detail::QueueCore> core) noexcept;

  std::shared_ptr<detail::QueueCore> core_;
};

}  // namespace mx_rmq
