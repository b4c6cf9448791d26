#pragma once

#include <cstdint>
#include <string_view>

namespace mx_rmq {

/// Which messages of a topic start first: all waiting `high` ones before any `normal` one, and
/// these before any `low` one. This is strict: enough high ones starve low ones. Within a priority
/// messages start in the order in which Redis took them. Delays, retries and recoveries do not
/// change the priority.
enum class MessagePriority : std::uint8_t {
  low,     ///< after all others
  normal,  ///< the default
  high     ///< before all others
};

/// "low", "normal", "high".
[[nodiscard]] std::string_view to_string(MessagePriority priority) noexcept;
/// The priority of that name (lower case, exactly); std::invalid_argument otherwise.
[[nodiscard]] MessagePriority message_priority_from_string(std::string_view name);

}  // namespace mx_rmq
