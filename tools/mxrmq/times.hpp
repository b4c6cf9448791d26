#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace mxrmq {

/// Unix milliseconds as "2026-11-28 15:04:05.123Z".
[[nodiscard]] std::string utc(std::int64_t unix_ms);

/// A duration for people, in two parts at most: "250ms", "1.5s", "3m 20s", "2h 5m", "3d 4h".
[[nodiscard]] std::string in_words(std::chrono::milliseconds time);

/// "250ms", "1.5s", "30m", "2h", "7d". Throws std::invalid_argument naming `what`.
[[nodiscard]] std::chrono::milliseconds parse_duration(const std::string& what,
                                                       const std::string& text);

/// "2026-11-28T15:04:05Z", also with a blank for the T and with fractions, or unix milliseconds.
/// Throws std::invalid_argument naming `what`.
[[nodiscard]] std::int64_t parse_time(const std::string& what, const std::string& text);

}  // namespace mxrmq
