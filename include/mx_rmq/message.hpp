#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mx_rmq/detail/durations.hpp"
#include "mx_rmq/priority.hpp"

namespace mx_rmq {

/// What a message is doing. The library itself hands out only messages that are `processing` (to
/// handlers) or `dead_letter` (in a DeadLetter). The other names serve programs that keep messages
/// as JSON.
enum class MessageStatus : std::uint8_t {
  pending,      ///< waits for a worker
  delayed,      ///< waits until it is due
  processing,   ///< a worker holds it
  retrying,     ///< failed, and waits for its next attempt
  completed,    ///< its handler returned; Redis no longer has it
  dead_letter,  ///< given up: in the dead letters
};

/// "pending", "delayed", "processing", "retrying", "completed", "dead_letter".
[[nodiscard]] std::string_view to_string(MessageStatus status) noexcept;
/// The status of that name (lower case, exactly); std::invalid_argument otherwise.
[[nodiscard]] MessageStatus message_status_from_string(std::string_view name);

/// What has happened to a message so far. All times are milliseconds since 1970-01-01 UTC by the
/// clock of the Redis server. An optional that is empty means that it has not happened, or that the
/// version of the library that saw it did not note it.
struct MessageMeta {
  /// As of a new message.
  MessageMeta();

  /// What the message is doing.
  MessageStatus status = MessageStatus::pending;
  /// How long after it was produced it was first due (ProduceOptions::delay or at); 0: at once.
  /// Also 0 for a message that was requeued from the dead letters, as that makes it due at once.
  std::chrono::milliseconds delay{0};
  /// How many attempts have failed so far.
  int retry_count = 0;
  /// How many retries its handler allows after the first attempt. -1: not known, as in a dead
  /// letter that was made without a handler (it expired while it waited, or was taken from dead
  /// consumers).
  int max_retries = 3;
  /// The pause that its handler asks for before each retry; the last one repeats. Empty if
  /// max_retries is not known, or if a RetryPolicy with other pauses says when.
  std::vector<std::chrono::milliseconds> retry_delays;
  /// What the last failed attempt ended with, cut to MQConfig::max_error_bytes. In a dead letter
  /// the same as DeadLetter::last_error.
  std::optional<std::string> last_error;
  /// When it expires if no worker has begun it: the time at which it is due plus its time to live.
  std::int64_t expire_at = 0;
  std::int64_t created_at = 0;                        ///< when it was produced
  std::int64_t updated_at = 0;                        ///< last change of status known here
  std::optional<std::int64_t> last_retry_at;          ///< when the last failed attempt ended
  std::optional<std::int64_t> processing_started_at;  ///< when its latest known run began
  std::optional<std::int64_t> dead_letter_at;         ///< when it became a dead letter
  std::optional<std::int64_t> retried_from_dlq_at;    ///< when it was last requeued from there
  /// How often it was taken back from a consumer that died or lost its lease while holding it.
  int recoveries = 0;
  /// How often a stop of the queue cut its run short and gave it back. Such runs are no attempts.
  int interruptions = 0;
  /// When each failed attempt had begun, the oldest first. Only the newest 64 are kept.
  std::vector<std::int64_t> attempt_times;

  /// Whether all members are equal.
  friend bool operator==(const MessageMeta&, const MessageMeta&) = default;
};

/// A message, as a handler or a list of dead letters shows it.
class Message {
 public:
  /// An empty one.
  Message();

  /// Chosen by the producer (ProduceOptions::message_id), else a UUID of version 7. 1 to 256 bytes
  /// of UTF-8, of any characters.
  std::string id;
  /// Version of the message format.
  std::string version = "1.0";
  /// The topic it was produced to.
  std::string topic;
  /// What was produced. Nothing is lost: 64-bit integers, empty arrays and NUL in strings survive.
  nlohmann::json payload;
  /// What its producer said beside the payload (ProduceOptions::header): they stay with it over
  /// retries, in the dead letters and when it is requeued.
  std::map<std::string, std::string> headers;
  /// Which of the waiting messages start first.
  MessagePriority priority = MessagePriority::normal;
  /// When it was produced: milliseconds since 1970 UTC, by the server's clock.
  std::int64_t created_at = 0;
  /// What has happened to it so far.
  MessageMeta meta;

  /// Whether all members are equal.
  friend bool operator==(const Message&, const Message&) = default;
};

/// Writes a priority as its name. This and the functions below are what nlohmann_json calls to
/// convert: members have the names that they have here, enumerations are their names, times and
/// durations are integers in milliseconds, and an empty optional is null.
void to_json(nlohmann::json& json, MessagePriority priority);
/// Reads the name of a priority; throws std::invalid_argument for anything else.
void from_json(const nlohmann::json& json, MessagePriority& priority);
/// Writes a status as its name.
void to_json(nlohmann::json& json, MessageStatus status);
/// Reads the name of a status; throws std::invalid_argument for anything else.
void from_json(const nlohmann::json& json, MessageStatus& status);
/// Writes an object.
void to_json(nlohmann::json& json, const MessageMeta& meta);
/// Reads an object. A member that is missing gets its default, unknown ones are ignored. Throws
/// std::invalid_argument naming the member whose type or range is wrong.
void from_json(const nlohmann::json& json, MessageMeta& meta);
/// Writes an object.
void to_json(nlohmann::json& json, const Message& message);
/// Reads an object; unknown members are ignored. Throws std::invalid_argument naming the member
/// that is missing, or whose type or range is wrong.
void from_json(const nlohmann::json& json, Message& message);

/// How one message is produced: `ProduceOptions{}.delay(5min).priority(MessagePriority::high)`.
///
/// Nothing is checked here. produce() checks, and throws std::invalid_argument naming the option
/// that is wrong, before anything is sent.
class ProduceOptions {
 public:
  /// At once, with normal priority and a generated id.
  ProduceOptions();

  /// How long after Redis has taken it the message is due: 0 (at once, the default) to 100 years.
  /// Not together with at().
  ProduceOptions& delay(std::chrono::milliseconds delay);
  /// 1.5s, 250us ...: rounded up to milliseconds.
  template <detail::FinerDuration<std::chrono::milliseconds> D>
  ProduceOptions& delay(D delay) {
    return this->delay(detail::rounded_up<std::chrono::milliseconds>(delay));
  }
  /// Does not compile: a time needs a unit.
  template <detail::PlainNumber N>
  ProduceOptions& delay(N) {
    static_assert(!detail::PlainNumber<N>,
                  "mx_rmq: a time needs a unit: write delay(30s) or delay(500ms), with "
                  "`using namespace std::chrono_literals`");
    return *this;
  }
  /// The point in time at which the message is due, by the clock of the Redis server; rounded up to
  /// milliseconds. At once if it is past; at most 100 years ahead. Not together with delay().
  ProduceOptions& at(std::chrono::system_clock::time_point due);
  /// Which of the waiting messages start first. Default: MessagePriority::normal.
  ProduceOptions& priority(MessagePriority priority);
  /// How long after it is due it may wait for a worker before it expires: 1 ms to 100 years.
  /// Default: MQConfig::message_ttl.
  ProduceOptions& ttl(std::chrono::milliseconds ttl);
  /// 1.5s, 250us ...: rounded up to milliseconds.
  template <detail::FinerDuration<std::chrono::milliseconds> D>
  ProduceOptions& ttl(D ttl) {
    return this->ttl(detail::rounded_up<std::chrono::milliseconds>(ttl));
  }
  /// Does not compile: a time needs a unit.
  template <detail::PlainNumber N>
  ProduceOptions& ttl(N) {
    static_assert(!detail::PlainNumber<N>,
                  "mx_rmq: a time needs a unit: write ttl(30s) or ttl(500ms), with "
                  "`using namespace std::chrono_literals`");
    return *this;
  }
  /// Messages of one key go to one partition of their topic (TopicSettings::partitions), which
  /// keeps their order as a topic with one partition does: they are handed out in the order in
  /// which they were produced, each once the call that produced the one before has ended. 1 to 256
  /// bytes of UTF-8, of any characters. Chosen ids are compared within the partition of the key, so
  /// the same id needs the same key. Default: none; a message goes to any partition then, or, with
  /// a chosen id, to the partition of that.
  ProduceOptions& key(std::string key);
  /// Chooses the message's id: 1 to 256 bytes of UTF-8, of any characters. While a message of the
  /// same topic with the same chosen id is waiting, delayed, in work or dead, producing it again
  /// changes nothing and returns the id (but see throw_if_duplicate). Default: a UUID of version 7,
  /// which is not compared with anything.
  ProduceOptions& message_id(std::string id);
  /// Says something about the message beside its payload: where it comes from, in which form it is,
  /// which request it belongs to. It stays with the message over retries, in the dead letters and
  /// when it is requeued, and handlers read it by Context::headers(). Setting a name again replaces
  /// its value. A name has 1 to 128 characters out of `A-Z a-z 0-9 . _ : / -`, a value is UTF-8; at
  /// most 64 headers, which have 8 KiB with their names. `traceparent` and `tracestate` are those
  /// of W3C Trace Context.
  ProduceOptions& header(std::string name, std::string value);
  /// Whether produce() throws Duplicate, instead of returning the id, if a message with the chosen
  /// id is there already. Needs a message_id. Default: no.
  ProduceOptions& throw_if_duplicate(bool whether = true);

  /// The delay that was set, if any.
  [[nodiscard]] const std::optional<std::chrono::milliseconds>& delay() const noexcept {
    return delay_;
  }
  /// The point in time that was set, if any.
  [[nodiscard]] const std::optional<std::chrono::system_clock::time_point>& at() const noexcept {
    return at_;
  }
  /// The priority that was set, if any.
  [[nodiscard]] const std::optional<MessagePriority>& priority() const noexcept {
    return priority_;
  }
  /// The time to live that was set, if any.
  [[nodiscard]] const std::optional<std::chrono::milliseconds>& ttl() const noexcept {
    return ttl_;
  }
  /// The id that was chosen, if any.
  [[nodiscard]] const std::optional<std::string>& message_id() const noexcept {
    return message_id_;
  }
  /// The headers that were set.
  [[nodiscard]] const std::map<std::string, std::string>& headers() const noexcept {
    return headers_;
  }
  /// The key that was set, if any.
  [[nodiscard]] const std::optional<std::string>& key() const noexcept { return key_; }
  /// Whether throw_if_duplicate() was asked for.
  [[nodiscard]] bool throws_if_duplicate() const noexcept { return throw_if_duplicate_; }

 private:
  std::optional<std::chrono::milliseconds> delay_;
  std::optional<std::chrono::system_clock::time_point> at_;
  std::optional<MessagePriority> priority_;
  std::optional<std::chrono::milliseconds> ttl_;
  std::optional<std::string> message_id_;
  std::map<std::string, std::string> headers_;
  std::optional<std::string> key_;
  bool throw_if_duplicate_ = false;
};

/// One message of a batch (RedisMessageQueue::produce_batch).
class OutgoingMessage {
 public:
  /// An empty one; its topic is refused until it is set.
  OutgoingMessage();
  /// The arguments are those of RedisMessageQueue::produce.
  OutgoingMessage(std::string topic, nlohmann::json payload,
                  ProduceOptions options = ProduceOptions());

  std::string topic;       ///< where it goes
  nlohmann::json payload;  ///< what is in it
  ProduceOptions options;  ///< how it is produced
};

}  // namespace mx_rmq
