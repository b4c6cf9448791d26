#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "broker/message_looker.hpp"
#include "mx_rmq/task.hpp"

namespace mx_rmq::broker {

/// How many messages a search may look at, and how many it has; shared by the partitions of a
/// topic.
struct LookBudget {
  std::int64_t limit = 0;
  std::int64_t used = 0;
  bool exhausted = false;  ///< something was not looked at

  /// So many of these may be looked at.
  [[nodiscard]] std::int64_t allows(std::int64_t messages) noexcept {
    if (messages <= limit - used) return messages;
    exhausted = true;
    return limit > used ? limit - used : 0;
  }
};

/// Finds a message of one topic by its id, wherever it lies. As MessageLooker.
///
/// A delayed or dead one is looked up. Of a list it is not known where in it a message is, but it
/// is nearly in the order in which the messages were produced; a generated id tells when that was,
/// and of a chosen one that is in use it is known until when, as of the others in the list. So its
/// place is guessed by halving, and it is looked for around that, first in all lists, then farther
/// away.
class MessageFinder {
 public:
  MessageFinder(TopicBroker& broker, Duration timeout) noexcept : looker_(broker, timeout) {}

  /// A message that moves while it is looked for may be missed, though not one that goes the usual
  /// way. `budget` outlives the task.
  Task<std::optional<Sighting>> find(std::string id, LookBudget* budget);

 private:
  // What is known of when it was produced.
  struct Trace {
    std::optional<std::int64_t> made;   // a generated id
    std::optional<std::int64_t> until;  // a chosen one

    [[nodiscard]] std::optional<std::int64_t> wanted() const { return made ? made : until; }
    // The same of another message; nothing if it cannot be compared.
    [[nodiscard]] std::optional<std::int64_t> of(const std::string& envelope) const;
  };
  // A list of which some was looked at: from `first` up to `end`, as the places were then.
  struct Searched {
    List list = List::normal;
    std::int64_t length = 0;
    std::int64_t first = 0;
    std::int64_t end = 0;
  };

  Task<Searched> begin(List list, const Trace* trace);
  Task<std::int64_t> guess(List list, std::int64_t length, const Trace* trace);
  Task<std::optional<Sighting>> widen(Searched* searched, std::int64_t by, const Wanted* wanted,
                                      LookBudget* budget);
  Task<std::optional<Sighting>> scan(List list, std::int64_t from_tail, std::int64_t most,
                                     const Wanted* wanted, LookBudget* budget);
  Task<std::optional<Sighting>> in_lists(std::string id, LookBudget* budget);

  MessageLooker looker_;
};

}  // namespace mx_rmq::broker
