#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/scripts/calls_look.hpp"
#include "broker/topic_broker.hpp"
#include "mx_rmq/stored_message.hpp"
#include "mx_rmq/task.hpp"

namespace mx_rmq::broker {

/// Most messages that are looked at, and told, by one call of a script, and most of their bytes:
/// Redis is busy with it for well under 2 ms.
inline constexpr int look_step = 500;
inline constexpr int tell_step = 200;
inline constexpr std::size_t look_bytes = std::size_t{256} << 10;
/// Of a payload: all of it.
inline constexpr std::size_t whole_payload = std::size_t{1} << 30;

/// A message and where it lies.
struct Sighting {
  Sighting() {}  // user-provided: g++ 12 destroys aggregates in co_await twice

  MessageState state = MessageState::waiting;
  List list = List::normal;  ///< of one that waits, suspects included
  std::string consumer;      ///< of a held one
  std::optional<std::int64_t> lease_until;
  Looked looked;
};

/// Looks at the messages of one topic, each step with `timeout` of its own. Loop thread only. The
/// broker, and what is passed by pointer, must outlive it and its tasks. Errors: see ScriptCaller.
class MessageLooker {
 public:
  MessageLooker(TopicBroker& broker, Duration timeout) noexcept
      : broker_(&broker), timeout_(timeout) {}

  /// One step each.
  Task<LookList::Reply> list(List list, bool from_tail, LookBounds bounds, const Wanted* wanted);
  Task<LookIndex::Reply> index(bool dead, bool latest_first, LookBounds bounds,
                               const Wanted* wanted);
  Task<LookHeld::Reply> held(std::string consumer, std::span<const std::string> tags, int room,
                             const Wanted* wanted);
  /// Scores in the order of index(): a page of them.
  Task<std::vector<std::int64_t>> scores(bool dead, bool latest_first, std::int64_t skip,
                                         std::int64_t most);

  /// Those that are registered, 10,000 at most.
  Task<std::vector<std::string>> consumers();
  Task<std::int64_t> held_count(std::string consumer);
  /// What it holds: in the order in which it was claimed.
  Task<std::vector<std::string>> tags(std::string consumer);

  /// The delayed or dead message of that id.
  Task<std::optional<Sighting>> member(bool dead, std::string id);
  /// The held one; adds to `*looked_at`.
  Task<std::optional<Sighting>> holding(std::string id, std::int64_t* looked_at);
  /// Until when a chosen id counts as in use; nothing if it does not, or its message is dead.
  Task<std::optional<std::int64_t>> id_until(std::string id);

  [[nodiscard]] runtime::EventLoop& loop() const noexcept { return broker_->loop(); }

 private:
  [[nodiscard]] TimePoint deadline() const { return broker_->loop().now() + timeout_; }
  Task<redis::Reply> plain(redis::Command command) {
    return broker_->caller().plain(std::move(command), deadline());
  }

  TopicBroker* broker_;
  Duration timeout_;
};

}  // namespace mx_rmq::broker
