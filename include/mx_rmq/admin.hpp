#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mx_rmq/detail/durations.hpp"
#include "mx_rmq/diagnosis.hpp"
#include "mx_rmq/history.hpp"
#include "mx_rmq/message_change.hpp"
#include "mx_rmq/pause.hpp"
#include "mx_rmq/stored_message.hpp"
#include "mx_rmq/task.hpp"

namespace mx_rmq {

namespace detail {
class QueueCore;
}  // namespace detail

/// What operators and tools need beside metrics and dead letters.
///
/// It is a cheap handle: copies speak to the same queue. They may outlive the queue; every call
/// then ends with ShutdownError. Thread-safe; each Task ends on the loop thread of the queue's
/// Runtime, and throws ConnectionError, TimeoutError or ServerError.
class Admin {
 public:
  /// The topics of this queue_prefix that messages were produced to or a handler was registered
  /// for, by whichever process, sorted. One that forget() removed is not among them; one of the
  /// last second may not be yet. Read in steps of 1,000.
  Task<std::vector<std::string>> topics();

  /// What a service would trip over at this Redis, before it does: how each master is set up
  /// (eviction, memory, persistence, replicas, clock, connections), and topics whose messages wait
  /// for nobody. It needs the right to INFO, and shows more with CONFIG GET; what could not be
  /// looked at is a finding too. A few commands a server and a topic, none of which takes longer
  /// for more messages. In the order of servers, then topics.
  Task<std::vector<Finding>> diagnose();

  /// How the topic was over the last `range`: by the minute for up to 8 hours, else by ten minutes,
  /// for up to 7 days. Throws std::invalid_argument, at once, for a bad topic or range.
  Task<TopicHistory> history(std::string topic, std::chrono::milliseconds range);
  /// Notes how the topic is, for its history, unless somebody has in this minute. Who consumes does
  /// so by itself; this is for who watches topics that may have no consumers.
  Task<> note_history(std::string topic);

  // The calls below throw std::invalid_argument at once for a bad topic, id or request. They look
  // at all partitions of the topic. Each step that they take keeps Redis busy for well under 2 ms.

  /// A page of the messages in that state. Messages that come or go between two calls shift what
  /// the second one shows. The order: waiting ones as workers take them, by priority, then by
  /// partition; delayed ones by when they are due; held ones by their consumers; dead ones the
  /// newest first.
  Task<MessagePage> list(std::string topic, MessageState state,
                         PageRequest request = PageRequest());

  /// The message with that id, wherever it is, with its whole payload. A delayed or dead one is
  /// looked up. One that waits is looked for in the lists, first where one produced at that time
  /// would be (a generated id tells when), then farther away, until `scan_limit` were looked at. A
  /// message that moves meanwhile may be missed; call again.
  Task<FoundMessage> find(std::string topic, std::string id, std::int64_t scan_limit = 100'000);

  /// Looks for a text, the newest of each state first, in short steps with pauses between them, so
  /// that it hardly delays anybody; `progress`, if there is one, is told after each of them.
  Task<SearchResult> search(std::string topic, SearchRequest request,
                            OnSearchProgress progress = nullptr);

  /// Stops handing out the messages of a topic, in all processes, until resume() or for a time
  /// (from 1 ms to 100 years). Producing goes on, messages wait and expire as ever; what runs goes
  /// on to its end, and is acknowledged, retried or given up as usual. What had been claimed and
  /// not begun goes back to the heads of its lists.
  ///
  /// When it returns nothing new begins: every consumer that holds messages has said so, but for
  /// those that Paused counts, for which it waits up to MQConfig::command_timeout (a second for
  /// those whose connection is gone). It may be called again, and then sets the time anew. Should
  /// it throw, the topic may be paused in part: call it again, or resume(). Throws
  /// std::invalid_argument at once for a bad topic or duration; ServerError with the code
  /// "SETTINGS" as RedisMessageQueue::configure.
  Task<Paused> pause(std::string topic, std::optional<std::chrono::milliseconds> duration = {});
  /// 1.5s, 250us ...: rounded up to milliseconds.
  template <detail::FinerDuration<std::chrono::milliseconds> D>
  Task<Paused> pause(std::string topic, D duration) {
    return pause(std::move(topic),
                 std::optional(detail::rounded_up<std::chrono::milliseconds>(duration)));
  }
  /// Does not compile: a time needs a unit.
  template <detail::PlainNumber N>
  Task<Paused> pause(std::string topic, N) {
    static_assert(!detail::PlainNumber<N>,
                  "mx_rmq: a time needs a unit: write pause(topic, 30min) or pause(topic, 90s), "
                  "with `using namespace std::chrono_literals`");
    return pause(std::move(topic));
  }
  /// Ends the pause of a topic, at once. One that is not paused stays as it is. Errors as of
  /// pause(): call it again.
  Task<> resume(std::string topic);

  // The calls below change messages. What a worker holds they leave alone, and say so
  // (ChangeOutcome::refused). All may be called again after an error, or an unknown outcome.

  /// Makes delayed messages ready now, each at the end of its list; up to 1,000. Their time to live
  /// stays as it is. What became of each, in the order of `ids`. Dead letters are refused:
  /// DeadLetterQueue::requeue is for those.
  Task<std::vector<MessageChange>> promote(std::string topic, std::vector<std::string> ids);

  /// Has a message that waits or is delayed be due at that time, which begins its time to live; a
  /// time that is past makes it due at once.
  Task<MessageChange> reschedule(std::string topic, std::string id,
                                 std::chrono::system_clock::time_point at);

  /// Gives a message that waits or is delayed another priority; one that waits goes to the end of
  /// its new list.
  Task<MessageChange> reprioritise(std::string topic, std::string id, MessagePriority priority);

  /// Moves a message that waits, is delayed or dead to another topic, where it has the same id, as
  /// a chosen one, and is as new, but due when it was. It is produced there first, and removed here
  /// then: so it is never lost, and may be in both if a worker takes it at that moment
  /// (ChangeOutcome::twice). Throws Duplicate if another message there has that id.
  Task<MessageChange> move(std::string topic, std::string id, std::string to);

  /// Throws away all messages in that state (of waiting ones: of all priorities) that were there,
  /// and had been produced, when the call began, and gives their number; for dead ones see
  /// DeadLetterQueue::purge. What cannot be read stays. A message that comes into that state
  /// meanwhile, but was produced before, may go with them. Works in bounded steps: an error between
  /// two leaves the earlier ones done. Held ones cannot be purged (std::invalid_argument). Throws
  /// OutcomeUnknown when all was done, but the reply of a step was lost.
  Task<std::int64_t> purge(std::string topic, MessageState state);

 private:
  friend class RedisMessageQueue;
  explicit Admin(std::shared_ptr<detail::QueueCore> core) noexcept;

  std::shared_ptr<detail::QueueCore> core_;
};

}  // namespace mx_rmq
