#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mx_rmq/message_change.hpp"
#include "mx_rmq/task.hpp"
#include "queue/core.hpp"
#include "queue/whole_topic.hpp"

/// Changing messages of a topic, whichever partition they are in. Loop thread only.
namespace mx_rmq::queue {

/// Where a message of a topic lies.
struct Located {
  Located() {}  // user-provided: g++ 12 destroys aggregates in co_await twice

  WholeTopic::Part* part = nullptr;  ///< null: it was not found
  broker::Sighting seen;
  bool everywhere = true;  ///< it was looked for

  /// What became of a change that needs it and did not find it, or must not touch it there.
  [[nodiscard]] MessageChange not_changed(std::string id, bool repeated) const;
};
Task<Located> locate(std::shared_ptr<WholeTopic> whole, std::string id, std::int64_t scan_limit);

Task<std::vector<MessageChange>> promote_messages(std::shared_ptr<WholeTopic> whole,
                                                  std::vector<std::string> ids);
/// When it is due, or its priority.
Task<MessageChange> alter_message(std::shared_ptr<WholeTopic> whole, std::string id,
                                  std::optional<std::int64_t> due,
                                  std::optional<MessagePriority> priority);
/// Produces it to the other topic, with its id, then removes it here. There must be a Use of the
/// core's access.
Task<MessageChange> move_message(std::shared_ptr<detail::QueueCore> core,
                                 std::shared_ptr<WholeTopic> whole, std::string id, std::string to);
/// Throws away what was in that state when it began.
Task<std::int64_t> purge_messages(std::shared_ptr<WholeTopic> whole, MessageState state);

}  // namespace mx_rmq::queue
