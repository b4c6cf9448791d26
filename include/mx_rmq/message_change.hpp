#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "mx_rmq/stored_message.hpp"

namespace mx_rmq {

/// What became of a change that was asked for.
enum class ChangeOutcome : std::uint8_t {
  done,         ///< it is as was asked
  already,      ///< it was so before
  refused,      ///< it is in a state in which this cannot be done: nothing was changed
  not_found,    ///< there is no such message: it never was, or is handled, or was removed
  not_reached,  ///< it was not found, but the lists are longer than what was looked at
  twice,        ///< moved, and taken by a worker at the same time: it is in both topics
  unknown,      ///< no reply came in time, and it is not there any more: most likely it was done
};

/// "done", "already", "refused", "not_found", "not_reached", "twice", "unknown".
[[nodiscard]] std::string_view to_string(ChangeOutcome outcome) noexcept;

/// What became of a change to one message.
struct MessageChange {
  /// Nothing was found.
  MessageChange();

  std::string id;                                    ///< the message's
  ChangeOutcome outcome = ChangeOutcome::not_found;  ///< what became of it
  std::optional<MessageState> state;                 ///< where it was seen last
};

}  // namespace mx_rmq
