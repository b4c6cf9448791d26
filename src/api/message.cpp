#include "mx_rmq/message.hpp"

#include <array>
#include <stdexcept>
#include <utility>

#include "runtime/text.hpp"

namespace mx_rmq {
namespace {

constexpr std::array<std::pair<MessagePriority, std::string_view>, 3> priority_names{{
    {MessagePriority::low, "low"},
    {MessagePriority::normal, "normal"},
    {MessagePriority::high, "high"},
}};

constexpr std::array<std::pair<MessageStatus, std::string_view>, 6> status_names{{
    {MessageStatus::pending, "pending"},
    {MessageStatus::delayed, "delayed"},
    {MessageStatus::processing, "processing"},
    {MessageStatus::retrying, "retrying"},
    {MessageStatus::completed, "completed"},
    {MessageStatus::dead_letter, "dead_letter"},
}};

template <class Names, class Enum>
std::string_view name_of(const Names& names, Enum value) noexcept {
  for (const auto& [each, name] : names)
    if (each == value) return name;
  return "unknown";
}

template <class Names>
auto value_of(const Names& names, std::string_view name, const char* argument) {
  std::string allowed;
  for (const auto& [value, each] : names) {
    if (each == name) return value;
    allowed += allowed.empty() ? "" : ", ";
    allowed += each;
  }
  throw std::invalid_argument(std::string(argument) + ": " + runtime::text::quoted(name) +
                              " is none of " + allowed);
}

}  // namespace

std::string_view to_string(MessagePriority priority) noexcept {
  return name_of(priority_names, priority);
}

std::string_view to_string(MessageStatus status) noexcept { return name_of(status_names, status); }

MessagePriority message_priority_from_string(std::string_view name) {
  return value_of(priority_names, name, "priority");
}

MessageStatus message_status_from_string(std::string_view name) {
  return value_of(status_names, name, "status");
}

MessageMeta::MessageMeta() = default;

Message::Message() = default;

ProduceOptions::ProduceOptions() = default;

ProduceOptions& ProduceOptions::delay(std::chrono::milliseconds delay) {
  delay_ = delay;
  return *this;
}

ProduceOptions& ProduceOptions::at(std::chrono::system_clock::time_point due) {
  at_ = due;
  return *this;
}

ProduceOptions& ProduceOptions::priority(MessagePriority priority) {
  priority_ = priority;
  return *this;
}

ProduceOptions& ProduceOptions::ttl(std::chrono::milliseconds ttl) {
  ttl_ = ttl;
  return *this;
}

ProduceOptions& ProduceOptions::message_id(std::string id) {
  message_id_ = std::move(id);
  return *this;
}

ProduceOptions& ProduceOptions::header(std::string name, std::string value) {
  headers_[std::move(name)] = std::move(value);
  return *this;
}

ProduceOptions& ProduceOptions::key(std::string key) {
  key_ = std::move(key);
  return *this;
}

ProduceOptions& ProduceOptions::throw_if_duplicate(bool whether) {
  throw_if_duplicate_ = whether;
  return *this;
}

OutgoingMessage::OutgoingMessage() = default;

OutgoingMessage::OutgoingMessage(std::string topic_name, nlohmann::json payload_json,
                                 ProduceOptions produce_options)
    : topic(std::move(topic_name)),
      payload(std::move(payload_json)),
      options(std::move(produce_options)) {}

}  // namespace mx_rmq
