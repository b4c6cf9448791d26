#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mx_rmq/task.hpp"

#include "broker/data/history.hpp"
#include "broker/scripts/calls_dead_letters.hpp"
#include "broker/topic_broker.hpp"

namespace mx_rmq::broker {

/// A dead letter, its line read.
struct DeadLetterRecord {
  std::string member;  ///< what get, requeue and remove take: as a rule the message's id
  std::int64_t dead_at = 0;
  std::string reason;    ///< retries, rejected, expired, decode, poison, interrupted
  History history;       ///< up to its death
  std::string envelope;  ///< byte for byte; parse_envelope may refuse it
};

/// Reads what is stored. The history comes from the line, else from the envelope.
[[nodiscard]] DeadLetterRecord read_dead_letter(StoredDeadLetter stored);

/// The dead letters of one topic, in bounded steps, each with `timeout` of its own. Loop thread
/// only. The broker must outlive it and its tasks. Errors: see ScriptCaller.
class DeadLetterStore {
 public:
  DeadLetterStore(TopicBroker& broker, Duration timeout) noexcept
      : broker_(&broker), timeout_(timeout) {}

  Task<std::int64_t> count();
  /// The newest first. `offset`, `count` 0 or more.
  Task<std::vector<DeadLetterRecord>> list(std::int64_t offset, std::int64_t count);
  /// When those died that `list` would give: ms, the newest first.
  Task<std::vector<std::int64_t>> times(std::int64_t offset, std::int64_t count);
  Task<std::optional<DeadLetterRecord>> get(std::string member);

  /// Ready again, as new, at the tail of its priority. False: there is none, or it is no envelope
  /// (it stays). OutcomeUnknown when a reply was lost and there is none now.
  Task<bool> requeue(std::string member);
  /// False: there is none. OutcomeUnknown as requeue.
  Task<bool> remove(std::string member);

  /// All that was dead when it began, the oldest first; what is no envelope stays. How many went.
  /// OutcomeUnknown, after everything has been done, when the reply of a step was lost, so that the
  /// number is not known.
  Task<std::int64_t> requeue_all();
  /// Removes all that was dead when it began. As requeue_all.
  Task<std::int64_t> purge();

 private:
  Task<DlqList::Reply> page(DlqList::Args* bounds);  // which outlive it
  template <class S>
  Task<std::int64_t> all();
  [[nodiscard]] TimePoint deadline() const { return broker_->loop().now() + timeout_; }

  TopicBroker* broker_;
  Duration timeout_;
};

}  // namespace mx_rmq::broker
