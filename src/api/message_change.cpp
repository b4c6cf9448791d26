#include "mx_rmq/message_change.hpp"

#include <array>

namespace mx_rmq {

std::string_view to_string(ChangeOutcome outcome) noexcept {
  constexpr std::array<std::string_view, 7> names{"done",        "already", "refused", "not_found",
                                                  "not_reached", "twice",   "unknown"};
  const auto at = static_cast<std::size_t>(outcome);
  return at < names.size() ? names[at] : "unknown";
}

MessageChange::MessageChange() = default;

}  // namespace mx_rmq
