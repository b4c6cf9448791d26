#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// What an envelope and a dead letter's line tell of the attempts so far: `["last error",[start of each
/// attempt, unix ms]]`, in JSON without raw control bytes, so that it fits in a line.
namespace mx_rmq::broker {

inline constexpr std::size_t max_history_times = 64;

struct History {
  std::string last_error;
  std::vector<std::int64_t> started_at;  ///< oldest first; the oldest ones go beyond 64
};

/// The history with one more attempt: `error` becomes the last error, at most `max_error_bytes` of it, cut
/// between characters, with U+FFFD for what is not UTF-8. What is not readable in `history` is dropped.
[[nodiscard]] std::string append_history(std::string_view history, std::string_view error,
                                         std::int64_t started_at, std::size_t max_error_bytes);
/// The history with another last error and no more attempts (a message that expires before its retry).
[[nodiscard]] std::string with_error(std::string_view history, std::string_view error,
                                     std::size_t max_error_bytes);

/// Reads it; nothing if it is empty or not of that form.
[[nodiscard]] std::optional<History> parse_history(std::string_view history);

/// The line before a dead letter's envelope. `reason` is one of retries, rejected, expired, decode, poison.
[[nodiscard]] std::string dead_line(std::string_view reason, std::string_view history);

/// A JSON string with its quotes, in ASCII controls escaped, at most `max_bytes` of `text`.
void append_json_string(std::string& out, std::string_view text, std::size_t max_bytes);

}  // namespace mx_rmq::broker
