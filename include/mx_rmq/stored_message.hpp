#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mx_rmq/priority.hpp"

namespace mx_rmq {

/// Where a message lies.
enum class MessageState : std::uint8_t {
  waiting,  ///< in one of the lists by priority, until a worker takes it
  suspect,  ///< was taken back from workers that died, more than once: waits to be run alone
  delayed,  ///< until it is due; also after a failed attempt
  held,     ///< by a worker: in its handler, or fetched for it
  dead,     ///< among the dead letters
};

/// "waiting", "suspect", "delayed", "held", "dead".
[[nodiscard]] std::string_view to_string(MessageState state) noexcept;
/// The state of that name (lower case, exactly); std::invalid_argument otherwise.
[[nodiscard]] MessageState message_state_from_string(std::string_view name);

/// A message as it is stored, seen from outside. All times are milliseconds since 1970 UTC by the
/// clock of the Redis server.
struct StoredMessage {
  /// As of a message that waits.
  StoredMessage();

  /// Its id; what cannot be read has none, or in the delayed messages and the dead letters the name
  /// under which it is kept.
  std::string id;
  /// Where it lies.
  MessageState state = MessageState::waiting;
  /// Whether it could be read. If not, only id, state, size, payload (the bytes that are stored)
  /// and what the state tells are set.
  bool readable = true;
  /// Which of the waiting messages start first.
  MessagePriority priority = MessagePriority::normal;
  std::int64_t created_at = 0;              ///< when it was produced
  std::int64_t expire_at = 0;               ///< when it expires if no worker has begun it
  std::optional<std::int64_t> due_at;       ///< of a delayed one
  std::optional<std::int64_t> died_at;      ///< of a dead one
  std::optional<std::int64_t> lease_until;  ///< of a held one: until when its worker keeps it
  std::string holder;                       ///< of a held one: the consumer's name
  std::int64_t place = 0;                   ///< of one in a list: how many elements are before it
  int partition = 0;                        ///< of the topic
  int attempts = 0;                         ///< that have failed
  int recoveries = 0;                       ///< how often it was taken back from workers that died
  int interruptions = 0;                    ///< runs that stops have cut short
  std::vector<std::int64_t> attempt_times;  ///< when the newest 64 failed attempts began
  std::optional<std::int64_t> last_ended;   ///< when the last failed attempt ended
  std::optional<std::int64_t> requeued_at;  ///< when it last left the dead letters
  bool chosen_id = false;                   ///< its producer chose the id
  /// Bytes that are stored of it, the payload included.
  std::size_t size = 0;
  /// Bytes of the payload.
  std::size_t payload_size = 0;
  /// The payload as JSON text, byte for byte as it was produced, or its beginning.
  std::string payload;
  /// Whether that is only the beginning.
  bool payload_cut = false;
  /// See Message::headers; empty if they cannot be read.
  std::map<std::string, std::string> headers;
  /// What the last failed attempt ended with; of a dead one DeadLetter::last_error.
  std::string last_error;
  /// Of a dead one: DeadLetter::reason.
  std::string reason;
};

/// Which page is wanted.
struct PageRequest {
  /// The first 50.
  PageRequest();

  std::int64_t offset = 0;                  ///< so many are passed over
  int limit = 50;                           ///< at most so many; up to 1,000
  bool from_tail = false;                   ///< the other way round: the last ones first
  std::optional<MessagePriority> priority;  ///< of waiting ones: only these
  std::size_t payload_bytes = 120;          ///< of each payload at most so many bytes
};

/// A page, and how many there are.
struct MessagePage {
  /// An empty one.
  MessagePage();

  std::vector<StoredMessage> messages;  ///< in that order
  /// How many there are in that state (and of that priority); in lists, elements that cancelled
  /// messages left count, until a worker passes them.
  std::int64_t total = 0;
};

/// What became of looking for a message by its id.
struct FoundMessage {
  /// Nothing was found.
  FoundMessage();

  /// With its whole payload; nothing: it was not found.
  std::optional<StoredMessage> message;
  /// How many messages were looked at.
  std::int64_t looked_at = 0;
  /// Whether it was looked for everywhere. If not, and nothing was found, it may be in a part of
  /// the lists that was not looked at.
  bool everywhere = true;
};

/// What is looked for: one of text, header and error.
struct SearchRequest {
  /// Nothing yet.
  SearchRequest();

  /// In the payload, as it is written in its JSON.
  std::string text;
  /// A header of exactly this name and value; no name: none is looked for.
  std::string header_name;
  std::string header_value;  ///< see header_name
  /// In the error of the last failed attempt.
  std::string error;
  /// Only in these states; empty: in all.
  std::vector<MessageState> states;
  int most = 100;                     ///< ends when so many were found; up to 1,000
  std::int64_t scan_limit = 100'000;  ///< ends when so many were looked at
  std::size_t payload_bytes = 120;    ///< of each payload at most so many bytes are told
};

/// How far a search has come.
struct SearchProgress {
  /// At the beginning.
  SearchProgress();

  MessageState state = MessageState::waiting;  ///< where it is
  std::int64_t looked_at = 0;                  ///< messages, so far
  std::int64_t found = 0;                      ///< messages, so far
};

/// Called after each step of a search, on the loop thread; false ends it.
using OnSearchProgress = std::function<bool(const SearchProgress&)>;

/// What a search has found.
struct SearchResult {
  /// Nothing.
  SearchResult();

  std::vector<StoredMessage> messages;  ///< the newest of each state first
  std::int64_t looked_at = 0;           ///< messages
  /// Whether everything was looked at. If not, there may be more.
  bool everywhere = true;
};

}  // namespace mx_rmq
