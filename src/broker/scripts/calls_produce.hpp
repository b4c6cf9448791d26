#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "broker/scripts/script_call.hpp"
#include "mx_rmq/priority.hpp"

namespace mx_rmq::broker {

/// Adds a numbered batch of messages. Whether and for how long it is sent again is the producer's
/// business.
struct Produce {
  static constexpr const lua::Script& script = lua::produce;

  /// A message of a batch, its envelope encoded.
  struct Item {
    MessagePriority priority = MessagePriority::normal;
    std::int64_t due = 0;       ///< unix ms; 0 = at once
    std::int64_t id_until = 0;  ///< 0 = its id was generated
    std::string_view id;
    std::string_view envelope;
  };
  struct SettingsLook {
    bool look = false;
    /// Nothing is stored, and the answer is `stale`, if the version is another one than this (0 =
    /// nothing is set).
    std::optional<std::int64_t> must_be;
    /// With `must_be`: until when what is stored counts as in work for whoever has keys and ids go
    /// by another number of partitions; 0 = it does not.
    std::int64_t ids_until = 0;

    [[nodiscard]] bool wanted() const noexcept { return look || must_be.has_value(); }
  };
  struct Args {
    std::string_view producer_key;  ///< TopicKeys::producer(id)
    std::uint64_t number = 0;       ///< of this batch; rises from batch to batch of one producer
    std::chrono::milliseconds kept{0};  ///< for how long the number is remembered
    std::span<const Item> items;
    /// Whether the script looks at what is set for the topic. That costs a key and a look, so it is
    /// done where it matters only.
    SettingsLook settings;
  };
  struct Encoded {
    redis::Command command;
    /// The items that do not travel plain: the k-th (from 0) message of the last group is
    /// items[special[k]].
    std::vector<std::uint32_t> special;
  };
  struct Reply {
    std::int64_t now = 0;
    bool again = false;  ///< this batch was applied before: no message was stored
    /// The settings were to have a certain version and have another one: nothing was changed, and
    /// the number may be used again.
    bool stale = false;
    bool mute = false;  ///< publishing is refused: no idle consumer can be woken
    /// If they were looked at: the version of the settings; 0 = nothing is set, below 0 = it cannot
    /// be read.
    std::optional<std::int64_t> settings;
    /// Places in the last group, from 0; as they were when it was applied.
    std::vector<std::uint32_t> duplicates;
  };

  /// Immediate messages with generated ids travel plain, list by list, unless an immediate one with
  /// a chosen id is among them: then all go one by one, in order, so that their order within a
  /// priority is kept.
  [[nodiscard]] static Encoded encode(const TopicKeys& keys, const Args& args,
                                      redis::ChannelKind channels);
  [[nodiscard]] static Reply decode(redis::Reply&& reply);
};

}  // namespace mx_rmq::broker
