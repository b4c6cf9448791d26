#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "mx_rmq/priority.hpp"

namespace mx_rmq::broker {

/// The lists of messages that are ready, in the order in which they are served; suspects are served
/// apart.
enum class List : std::uint8_t { high, normal, low, suspect };
inline constexpr std::size_t list_count = 4;
inline constexpr std::array<List, list_count> all_lists{List::high, List::normal, List::low,
                                                        List::suspect};

/// The list of a message that is no suspect.
[[nodiscard]] constexpr List list_of(MessagePriority priority) noexcept {
  if (priority == MessagePriority::high) return List::high;
  return priority == MessagePriority::low ? List::low : List::normal;
}

/// The names of all keys of one partition of a topic. They share one hash tag, so they live in one
/// cluster slot. A topic that has not several partitions is its partition 0. Immutable once made.
class TopicKeys {
 public:
  /// `prefix` without braces, empty = "mx"; `topic` is valid (the facade has checked it).
  TopicKeys(std::string_view prefix, std::string_view topic, int partition = 0);

  /// The topic's name, without the prefix.
  [[nodiscard]] const std::string& topic() const noexcept { return topic_; }
  /// What stands in the braces: the topic's name, and of further partitions something behind it.
  [[nodiscard]] const std::string& tag() const noexcept { return tag_; }
  /// The lists, in the order of List.
  [[nodiscard]] const std::array<std::string, list_count>& ready() const noexcept { return ready_; }
  [[nodiscard]] const std::string& ready(List list) const noexcept {
    return ready_[static_cast<std::size_t>(list)];
  }
  [[nodiscard]] std::string processing(std::string_view consumer) const;
  [[nodiscard]] std::string producer(std::string_view id) const;
  /// Of the answers to a question (lua/ask.lua).
  [[nodiscard]] std::string answers(std::string_view token) const;
  /// Where the consumer with this name, its incarnation left out, is told of work. No key.
  [[nodiscard]] std::string channel(std::string_view alias) const;

  // Set by the constructor only.
  std::string delayed;
  std::string delayed_data;
  std::string consumers;
  std::string dlq;
  std::string dlq_data;
  std::string ids;
  std::string idle;
  std::string stats;
  std::string settings;
  std::string history_1m;
  std::string history_10m;

 private:
  std::string topic_;
  std::string tag_;
  std::string base_;  // "P:{tag}:"
  std::array<std::string, list_count> ready_;
};

/// The set of topics seen: a key of its own slot.
[[nodiscard]] std::string topics_key(std::string_view prefix);

}  // namespace mx_rmq::broker
