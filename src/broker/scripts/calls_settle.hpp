#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/data/keys.hpp"
#include "broker/data/tag.hpp"
#include "redis/wire/command.hpp"
#include "redis/wire/reply.hpp"

/// Ending what a consumer holds. A tag that is not there any more was settled by an earlier copy of the
/// same call, so each may be sent again; `lost` means that nothing was changed. Pure. What the spans
/// refer to need only live during make_.
namespace mx_rmq::broker {

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
  std::int64_t until = 0;  ///< of its envelope
};

struct AckArgs {
  std::string_view consumer;
  AckKind kind = AckKind::completed;
  std::span<const Tag> tags;          ///< messages with generated ids
  std::span<const ChosenTag> chosen;  ///< the others
};

struct SettleResult {
  bool lost = false;       ///< the consumer is not registered or is being reaped: LeaseLost
  std::int64_t count = 0;  ///< how many were still there
};

[[nodiscard]] redis::Command make_ack(const TopicKeys& keys, const AckArgs& args);
[[nodiscard]] SettleResult read_ack(redis::Reply&& reply);

struct RetryItem {
  Tag tag;
  std::chrono::milliseconds delay{0};
  std::string_view id;        ///< its member among the delayed ones
  std::size_t head_size = 0;  ///< of the envelope as it is stored
  std::string_view new_head;  ///< encode_head
};
struct RetryArgs {
  std::string_view consumer;
  std::span<const RetryItem> items;
};
[[nodiscard]] redis::Command make_retry(const TopicKeys& keys, const RetryArgs& args);
[[nodiscard]] SettleResult read_retry(redis::Reply&& reply);

struct DeadItem {
  Tag tag;
  std::string_view member;  ///< its id, or undecodable_member
  std::string_view line;    ///< dead_line
};
struct DeadArgs {
  std::string_view consumer;
  std::int64_t cap = 0;  ///< of the dead letters; 0 = none
  std::span<const DeadItem> items;
};
struct DeadResult {
  bool lost = false;
  std::int64_t total = 0;            ///< dead letters there are now
  std::vector<std::string> dropped;  ///< members that the cap dropped
};
/// The member of what does not decode and so has no id.
[[nodiscard]] std::string undecodable_member(std::string_view consumer, Tag tag);
[[nodiscard]] redis::Command make_dead(const TopicKeys& keys, const DeadArgs& args);
[[nodiscard]] DeadResult read_dead(redis::Reply&& reply);

struct ReleaseItem {
  Tag tag;
  std::size_t head_size = 0;  ///< of the envelope as it is stored
  std::string_view new_head;  ///< empty = as it is stored: its handler had not begun
};
struct ReleaseArgs {
  std::string_view consumer;
  std::span<const ReleaseItem> items;  ///< the newest first
};
[[nodiscard]] redis::Command make_release(const TopicKeys& keys, const ReleaseArgs& args);
[[nodiscard]] SettleResult read_release(redis::Reply&& reply);

}  // namespace mx_rmq::broker
