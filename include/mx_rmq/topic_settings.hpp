#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "mx_rmq/detail/durations.hpp"

/// @file
/// What is set for a topic as a whole, for all processes that use it.
///
///     co_await queue.configure("orders", mx_rmq::TopicSettings{}.partitions(16));
///
/// It is kept in Redis, and every process follows a change by itself.
namespace mx_rmq {

/// What becomes of a message for which a topic has no room (TopicSettings::max_length).
enum class WhenFull : std::uint8_t {
  reject,       ///< it is refused
  wait,         ///< its produce waits
  drop_oldest,  ///< the oldest message makes room
};

/// Settings of a topic: `TopicSettings{}.partitions(16)`.
///
/// What is not set stays as it is at Redis. RedisMessageQueue::configure checks, and throws
/// std::invalid_argument naming the setting that is wrong, before anything is sent.
///
/// **This version of the library knows `partitions` only.** configure() refuses the others, by
/// name, with "not yet": a limit that nobody keeps would be worse than none.
class TopicSettings {
 public:
  /// So many messages in so much time.
  struct Rate {
    std::int64_t messages = 0;         ///< how many
    std::chrono::milliseconds per{0};  ///< in how much time

    /// Whether both are equal.
    friend bool operator==(const Rate&, const Rate&) = default;
  };
  /// A limit of the messages that wait.
  struct MaxLength {
    std::int64_t messages = 0;              ///< the limit
    WhenFull when_full = WhenFull::reject;  ///< what becomes of further ones

    /// Whether both are equal.
    friend bool operator==(const MaxLength&, const MaxLength&) = default;
  };

  /// Nothing is set.
  TopicSettings();

  /// Over how many parts the topic is spread, 1 to 1024. Default: 1. Each part is in a slot of its
  /// own, so that the topic can grow beyond one node of a Cluster. There can be more later, while
  /// the topic is used, never fewer. Messages with a ProduceOptions::key, or a chosen id, go by the
  /// new number once none that went by the old one can be in work any more; a topic that nobody has
  /// used yet has all its parts at once.
  TopicSettings& partitions(int partitions);
  /// Not yet: how many messages are begun in a time, by all processes together; a burst may have as
  /// many.
  TopicSettings& rate(std::int64_t messages, std::chrono::milliseconds per);
  /// 1.5s, 250us ...: rounded up to milliseconds.
  template <detail::FinerDuration<std::chrono::milliseconds> D>
  TopicSettings& rate(std::int64_t messages, D per) {
    return rate(messages, detail::rounded_up<std::chrono::milliseconds>(per));
  }
  /// Does not compile: a time needs a unit.
  template <detail::PlainNumber N>
  TopicSettings& rate(std::int64_t, N) {
    static_assert(!detail::PlainNumber<N>,
                  "mx_rmq: a time needs a unit: write rate(100, 1s) or rate(100, 500ms), with "
                  "`using namespace std::chrono_literals`");
    return *this;
  }
  /// Not yet: how many messages are handled at the same time, by all processes together.
  TopicSettings& concurrency(int concurrency);
  /// Not yet: how many messages may wait, and what becomes of further ones.
  TopicSettings& max_length(std::int64_t messages, WhenFull when_full = WhenFull::reject);
  /// Not yet: how many messages of one group are handled at the same time.
  TopicSettings& group_concurrency(int concurrency);
  /// Not yet: how many messages of one group are begun in a time.
  TopicSettings& group_rate(std::int64_t messages, std::chrono::milliseconds per);
  /// 1.5s, 250us ...: rounded up to milliseconds.
  template <detail::FinerDuration<std::chrono::milliseconds> D>
  TopicSettings& group_rate(std::int64_t messages, D per) {
    return group_rate(messages, detail::rounded_up<std::chrono::milliseconds>(per));
  }
  /// Does not compile: a time needs a unit.
  template <detail::PlainNumber N>
  TopicSettings& group_rate(std::int64_t, N) {
    static_assert(!detail::PlainNumber<N>,
                  "mx_rmq: a time needs a unit: write group_rate(1, 1s) or group_rate(1, 500ms), "
                  "with `using namespace std::chrono_literals`");
    return *this;
  }

  /// The number of partitions that was set, if any. RedisMessageQueue::settings always tells it.
  [[nodiscard]] const std::optional<int>& partitions() const noexcept { return partitions_; }
  /// The rate that was set, if any.
  [[nodiscard]] const std::optional<Rate>& rate() const noexcept { return rate_; }
  /// The number of messages at the same time that was set, if any.
  [[nodiscard]] const std::optional<int>& concurrency() const noexcept { return concurrency_; }
  /// The limit of waiting messages that was set, if any.
  [[nodiscard]] const std::optional<MaxLength>& max_length() const noexcept { return max_length_; }
  /// The number of messages of a group at the same time that was set, if any.
  [[nodiscard]] const std::optional<int>& group_concurrency() const noexcept {
    return group_concurrency_;
  }
  /// The rate of a group that was set, if any.
  [[nodiscard]] const std::optional<Rate>& group_rate() const noexcept { return group_rate_; }

  /// Whether the same is set, to the same.
  friend bool operator==(const TopicSettings&, const TopicSettings&) = default;

 private:
  std::optional<int> partitions_;
  std::optional<Rate> rate_;
  std::optional<int> concurrency_;
  std::optional<MaxLength> max_length_;
  std::optional<int> group_concurrency_;
  std::optional<Rate> group_rate_;
};

}  // namespace mx_rmq
