#include "mx_rmq/stored_message.hpp"

#include <array>
#include <stdexcept>

#include "runtime/text.hpp"

namespace mx_rmq {
namespace {

constexpr std::array<std::string_view, 5> state_names{"waiting", "suspect", "delayed", "held",
                                                      "dead"};

}  // namespace

std::string_view to_string(MessageState state) noexcept {
  const auto at = static_cast<std::size_t>(state);
  return at < state_names.size() ? state_names[at] : "unknown";
}

MessageState message_state_from_string(std::string_view name) {
  for (std::size_t i = 0; i < state_names.size(); ++i)
    if (state_names[i] == name) return static_cast<MessageState>(i);
  throw std::invalid_argument("state: " + runtime::text::quoted(name) +
                              " is none of waiting, suspect, delayed, held, dead");
}

StoredMessage::StoredMessage() = default;
PageRequest::PageRequest() = default;
MessagePage::MessagePage() = default;
FoundMessage::FoundMessage() = default;
SearchRequest::SearchRequest() = default;
SearchProgress::SearchProgress() = default;
SearchResult::SearchResult() = default;

}  // namespace mx_rmq
