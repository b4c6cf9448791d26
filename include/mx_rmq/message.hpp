#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mx_rmq/detail/durations.hpp"

namespace mx_rmq {

/// Which messages of a topic start first: all waiting `high` ones before any `normal` one, and
/// those before any `low` one (strictly: enough high ones starve low ones). Within a priority, in
/// the order in which Redis took them. Kept through delay, retry and recovery.
enum class MessagePriority : std::uint8_t { low, normal, high };

/// What a message is doing. The messages that this library hands out are `processing` (a handler's)
/// or `dead_letter` (a dead letter's); the other names are for the JSON of programs that keep
/// messages.
enum class MessageStatus : std::uint8_t {
  pending,      ///< waits for a worker
  delayed,      ///< waits until it is due
  processing,   ///< a worker holds it
  retrying,     ///< failed, and waits for its next attempt
  completed,    ///< its handler returned; Redis no longer has it
  dead_letter,  ///< given up on: in the dead letters
};

/// "low", "normal", "high".
[[nodiscard]] std::string_view to_string(MessagePriority priority) noexcept;
/// "pending", "delayed", "processing", "retrying", "completed", "dead_letter".
[[nodiscard]] std::string_view to_string(MessageStatus status) noexcept;
/// The priority of that name (lower case, exactly); std::invalid_argument otherwise.
[[nodiscard]] MessagePriority message_priority_from_string(std::string_view name);
/// The status of that name (lower case, exactly); std::invalid_argument otherwise.
[[nodiscard]] MessageStatus message_status_from_string(std::string_view name);

/// Bookkeeping of a message. All times are milliseconds since 1970-01-01 UTC by the clock of the
/// Redis server; "none" means that it has not happened, or that the version of the library that saw
/// it did not note it.
struct MessageMeta {
  MessageMeta();

  MessageStatus status = MessageStatus::pending;
  /// How long after it was produced it was first due (ProduceOptions::delay or at); 0 = at once.
  /// Also 0 for one that was requeued from the dead letters, which makes it due at once.
  std::chrono::milliseconds delay{0};
  /// Attempts that failed, so far. The first attempt is not a retry.
  int retry_count = 0;
  /// Retries after the first attempt before it becomes a dead letter: its handler's. -1 in a dead
  /// letter that no handler's worker made (expired while it waited, or taken from dead consumers):
  /// not known.
  int max_retries = 3;
  /// Pause before each retry, its handler's; the last one repeats. Empty if max_retries is not
  /// known.
  std::vector<std::chrono::milliseconds> retry_delays;
  /// What the last failed attempt ended with, cut to MQConfig::max_error_bytes; of a dead letter,
  /// as DeadLetter::last_error.
  std::optional<std::string> last_error;
  /// When it expires if no worker has begun it; due time + time to live.
  std::int64_t expire_at = 0;
  std::int64_t created_at = 0;                        ///< when it was produced
  std::int64_t updated_at = 0;                        ///< last change of status known here
  std::optional<std::int64_t> last_retry_at;          ///< when the last failed attempt ended
  std::optional<std::int64_t> processing_started_at;  ///< when its latest run known of began
  std::optional<std::int64_t> dead_letter_at;         ///< when it became a dead letter
  std::optional<std::int64_t> retried_from_dlq_at;    ///< when it was last requeued from there
  /// How often it was taken back from a consumer that died or lost its lease while holding it.
  int recoveries = 0;
  /// How often a stop of the queue cut its run short, and it was given back. No attempts.
  int interruptions = 0;
  /// When each attempt that failed had begun, oldest first; the newest 64 at most.
  std::vector<std::int64_t> attempt_times;

  friend bool operator==(const MessageMeta&, const MessageMeta&) = default;
};

/// A message as a handler or a dead-letter listing sees it.
class Message {
 public:
  Message();

  /// Chosen by the producer (ProduceOptions::message_id) or a UUID (version 7). Any 1 to 256 bytes
  /// of UTF-8.
  std::string id;
  /// Version of the message format.
  std::string version = "1.0";
  std::string topic;
  /// What was produced, to the byte: 64-bit integers, empty arrays and NUL in strings survive.
  nlohmann::json payload;
  MessagePriority priority = MessagePriority::normal;
  /// When it was produced: milliseconds since 1970 UTC, by the server's clock.
  std::int64_t created_at = 0;
  MessageMeta meta;

  friend bool operator==(const Message&, const Message&) = default;
};

/// JSON forms: enumerations as their names, times and durations as integers in milliseconds, "none"
/// as null, all names as the members are called. from_json throws std::invalid_argument naming the
/// member that is missing, of the wrong type or out of range; members of `meta` may be absent
/// (their default then), unknown members are ignored.
void to_json(nlohmann::json& json, MessagePriority priority);
void from_json(const nlohmann::json& json, MessagePriority& priority);
void to_json(nlohmann::json& json, MessageStatus status);
void from_json(const nlohmann::json& json, MessageStatus& status);
void to_json(nlohmann::json& json, const MessageMeta& meta);
void from_json(const nlohmann::json& json, MessageMeta& meta);
void to_json(nlohmann::json& json, const Message& message);
void from_json(const nlohmann::json& json, Message& message);

/// How one message is produced. Fluent:
/// `ProduceOptions{}.delay(5min).priority(MessagePriority::high)`. Nothing is checked here;
/// produce() throws std::invalid_argument, naming the option, before anything is sent.
class ProduceOptions {
 public:
  ProduceOptions();

  /// Due this long after Redis takes it: 0 (at once, the default) to 100 years. Not together with
  /// at().
  ProduceOptions& delay(std::chrono::milliseconds delay);
  /// 1.5s, 250us ...: rounded up to milliseconds.
  template <detail::FinerDuration<std::chrono::milliseconds> D>
  ProduceOptions& delay(D delay) {
    return this->delay(detail::rounded_up<std::chrono::milliseconds>(delay));
  }
  template <detail::PlainNumber N>
  ProduceOptions& delay(N) {
    static_assert(!detail::PlainNumber<N>,
                  "mx_rmq: a time needs a unit: write delay(30s) or delay(500ms), with "
                  "`using namespace std::chrono_literals`");
    return *this;
  }
  /// Due at this point in time, rounded up to milliseconds; at once if it is past. The Redis server's
  /// clock decides when that is. At most 100 years ahead. Not together with delay().
  ProduceOptions& at(std::chrono::system_clock::time_point due);
  /// Default: MessagePriority::normal.
  ProduceOptions& priority(MessagePriority priority);
  /// How long after it is due it may wait for a worker before it expires: 1 ms to 100 years.
  /// Default: MQConfig::message_ttl.
  ProduceOptions& ttl(std::chrono::milliseconds ttl);
  /// 1.5s, 250us ...: rounded up to milliseconds.
  template <detail::FinerDuration<std::chrono::milliseconds> D>
  ProduceOptions& ttl(D ttl) {
    return this->ttl(detail::rounded_up<std::chrono::milliseconds>(ttl));
  }
  template <detail::PlainNumber N>
  ProduceOptions& ttl(N) {
    static_assert(!detail::PlainNumber<N>,
                  "mx_rmq: a time needs a unit: write ttl(30s) or ttl(500ms), with "
                  "`using namespace std::chrono_literals`");
    return *this;
  }
  /// The message's id: any 1 to 256 bytes of UTF-8, NUL included. While a message of the same topic
  /// with the same chosen id is waiting, delayed, in work or dead, producing it again changes
  /// nothing and returns the same id (see throw_if_duplicate). Default: a UUID (version 7), which is
  /// not compared with anything.
  ProduceOptions& message_id(std::string id);
  /// Whether produce() throws Duplicate, instead of returning the id, when a message with the chosen
  /// id is there already. Needs a message_id. Default: no.
  ProduceOptions& throw_if_duplicate(bool whether = true);

  /// What was set; none = the default applies.
  [[nodiscard]] const std::optional<std::chrono::milliseconds>& delay() const noexcept {
    return delay_;
  }
  [[nodiscard]] const std::optional<std::chrono::system_clock::time_point>& at() const noexcept {
    return at_;
  }
  [[nodiscard]] const std::optional<MessagePriority>& priority() const noexcept {
    return priority_;
  }
  [[nodiscard]] const std::optional<std::chrono::milliseconds>& ttl() const noexcept {
    return ttl_;
  }
  [[nodiscard]] const std::optional<std::string>& message_id() const noexcept {
    return message_id_;
  }
  [[nodiscard]] bool throws_if_duplicate() const noexcept { return throw_if_duplicate_; }

 private:
  std::optional<std::chrono::milliseconds> delay_;
  std::optional<std::chrono::system_clock::time_point> at_;
  std::optional<MessagePriority> priority_;
  std::optional<std::chrono::milliseconds> ttl_;
  std::optional<std::string> message_id_;
  bool throw_if_duplicate_ = false;
};

/// One message of a batch (RedisMessageQueue::produce_batch).
class OutgoingMessage {
 public:
  /// An empty one; its topic is refused until it is set.
  OutgoingMessage();
  OutgoingMessage(std::string topic, nlohmann::json payload,
                  ProduceOptions options = ProduceOptions());

  std::string topic;
  nlohmann::json payload;
  ProduceOptions options;
};

}  // namespace mx_rmq
