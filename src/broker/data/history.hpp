#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// What an envelope and a dead letter's line tell of a message's past, in JSON without raw control
/// bytes, so that it fits in a line:
///
///   [<last error> | null, [<start of each failed attempt>, ...]]
///   [<last error> | null, [<start of each failed attempt>, ...], {"<name>": ..., ...}]
///
/// The object holds what else is known, each name only where there is something to tell; without
/// any there is no object. Times are unix ms.
namespace mx_rmq::broker {

inline constexpr std::size_t max_history_times = 64;

struct History {
  std::optional<std::string> last_error;        ///< of the last attempt that failed
  std::vector<std::int64_t> started_at;         ///< of failed attempts, oldest first, the newest 64
  std::optional<std::int64_t> ended_at;         ///< "ended": when the last of those failed
  std::int32_t interruptions = 0;               ///< "interrupted": runs that a stop cut short
  std::optional<std::int64_t> interrupted_run;  ///< "begun": when the last of those had begun
  std::optional<std::int64_t> first_began;      ///< "first": as long as it is not in started_at
  std::optional<std::int64_t> requeued_at;      ///< "requeued": when it left the dead letters

  // Of dead letters whose handler's worker made them.
  std::optional<std::int32_t> failures;                 ///< "failed": attempts
  std::optional<std::int32_t> max_retries;              ///< "retries": that it would have had
  std::vector<std::chrono::milliseconds> retry_delays;  ///< "delays": before those, ms

  friend bool operator==(const History&, const History&) = default;
};

/// One attempt more that failed.
void add_failure(History& history, std::string error, std::int64_t began_at, std::int64_t ended_at);
/// When the first of the last `attempts` failed ones had begun; nothing if there was none.
[[nodiscard]] std::optional<std::int64_t> first_began(const History& history, int attempts);
/// One run more that a stop cut short: no attempt.
void add_interruption(History& history, std::int64_t began_at);

/// The text of it. The last error takes at most `max_error_bytes` in it, cut between characters,
/// with U+FFFD for what is not UTF-8.
[[nodiscard]] std::string encode_history(const History& history, std::size_t max_error_bytes);

/// Reads it; nothing if it is empty or not of that form. Names that it does not know are passed
/// over.
[[nodiscard]] std::optional<History> parse_history(std::string_view history);

/// The line before a dead letter's envelope. `reason` is one of retries, rejected, expired, decode,
/// poison, interrupted.
[[nodiscard]] std::string dead_line(std::string_view reason, std::string_view history);

}  // namespace mx_rmq::broker
