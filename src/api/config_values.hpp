#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Values of configuration fields as text, as environment variables and documents have them.
/// Parsers take spaces and tabs around a value and return nothing for what is malformed or does not
/// fit. Pure.
namespace mx_rmq::api {

/// A decimal integer, optionally with a sign.
[[nodiscard]] std::optional<std::int64_t> parse_integer(std::string_view text);

/// true false 1 0 yes no on off, in any case.
[[nodiscard]] std::optional<bool> parse_bool(std::string_view text);

/// A number of seconds, or a number followed by ms, s, m, h or d; decimals as far as they make
/// whole milliseconds.
[[nodiscard]] std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

/// Durations separated by commas; an empty text is the empty list.
[[nodiscard]] std::optional<std::vector<std::chrono::milliseconds>> parse_durations(
    std::string_view text);

/// In the biggest unit that gives a whole number: "1500ms", "90s", "30m", "36h", "1d"; "0s".
/// parse_duration reads it back.
[[nodiscard]] std::string format_duration(std::chrono::milliseconds value);
[[nodiscard]] std::string format_durations(const std::vector<std::chrono::milliseconds>& values);

}  // namespace mx_rmq::api
