#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/scripts/script_call.hpp"

/// Ending what a consumer holds. A tag that is not there any more was settled by an earlier copy of
/// the same call, so each may be sent again; `lost` means that nothing was changed.
namespace mx_rmq::broker {

struct SettleResult {
  bool lost = false;       ///< the consumer is not registered or is being reaped: LeaseLost
  std::int64_t count = 0;  ///< how many were still there
};

/// Which counters an ack adds to.
enum class AckKind : std::uint8_t {
  completed,         ///< handled
  discarded,         ///< given up on the user's word
  expired_discarded  ///< given up because it expired
};

/// A message whose id the user chose: its entry goes with it.
struct ChosenTag {
  Tag tag;
  std::string_view id;
  std::int64_t id_until = 0;  ///< of its envelope
};

/// Removes messages.
struct Ack {
  static constexpr const lua::Script& script = lua::ack;
  static constexpr Resend resend = Resend::never;

  struct Args {
    std::string_view consumer;
    AckKind kind = AckKind::completed;
    std::span<const Tag> tags;          ///< messages with generated ids
    std::span<const ChosenTag> chosen;  ///< the others
  };
  using Reply = SettleResult;

  [[nodiscard]] static redis::Command encode(const TopicKeys& keys, const Args& args);
  [[nodiscard]] static Reply decode(redis::Reply&& reply);
};

/// Moves failed messages to the delayed ones.
struct Retry {
  static constexpr const lua::Script& script = lua::retry;
  static constexpr Resend resend = Resend::never;

  struct Item {
    Tag tag;
    std::chrono::milliseconds delay{0};
    std::string_view id;        ///< its member among the delayed ones
    std::size_t head_size = 0;  ///< of the envelope as it is stored
    std::string_view new_head;  ///< encode_head
  };
  struct Args {
    std::string_view consumer;
    std::span<const Item> items;
  };
  using Reply = SettleResult;

  [[nodiscard]] static redis::Command encode(const TopicKeys& keys, const Args& args,
                                             redis::ChannelKind channels);
  [[nodiscard]] static Reply decode(redis::Reply&& reply);
};

/// Moves messages to the dead letters.
struct Dead {
  static constexpr const lua::Script& script = lua::dead;
  static constexpr Resend resend = Resend::never;

  struct Item {
    Tag tag;
    std::string_view member;  ///< its id, or undecodable_member
    std::string_view line;    ///< dead_line
  };
  struct Args {
    std::string_view consumer;
    std::int64_t cap = 0;  ///< of the dead letters; 0 = none
    std::span<const Item> items;
  };
  struct Reply {
    bool lost = false;
    std::int64_t total = 0;            ///< dead letters there are now
    std::vector<std::string> dropped;  ///< members that the cap dropped
  };

  [[nodiscard]] static redis::Command encode(const TopicKeys& keys, const Args& args);
  [[nodiscard]] static Reply decode(redis::Reply&& reply);
};
/// The member of what does not decode and so has no id.
[[nodiscard]] std::string undecodable_member(std::string_view consumer, Tag tag);

/// Gives messages back to the heads of their lists.
struct Release {
  static constexpr const lua::Script& script = lua::release;
  static constexpr Resend resend = Resend::never;

  struct Item {
    Tag tag;
    std::size_t head_size = 0;  ///< of the envelope as it is stored
    std::string_view new_head;  ///< empty = as it is stored: its handler had not begun
  };
  struct Args {
    std::string_view consumer;
    std::span<const Item> items;  ///< the newest first
  };
  using Reply = SettleResult;

  [[nodiscard]] static redis::Command encode(const TopicKeys& keys, const Args& args,
                                             redis::ChannelKind channels);
  [[nodiscard]] static Reply decode(redis::Reply&& reply);
};

}  // namespace mx_rmq::broker
