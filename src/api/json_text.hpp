#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

/// The common cases of JSON text without nlohmann's byte-wise lexer and serializer, which cost more
/// than everything else a message needs; the rest is left to those. Pure, any thread.
namespace mx_rmq::api {

/// How many bytes at the front of `text` stand in a JSON string as they are, alone: ASCII, no
/// control byte, no quote, no backslash.
[[nodiscard]] std::size_t plain_prefix(std::string_view text) noexcept;

/// What becomes of bytes that are not UTF-8 in a JSON string.
enum class BadUtf8 { refuse, replace };  // by U+FFFD

/// Appends `text` as a JSON string with its quotes, controls escaped: as much of it as takes at
/// most `most` bytes between the quotes, cut between characters. False if it is refused; `out` then
/// ends somewhere within.
bool append_json_string(std::string& out, std::string_view text, BadUtf8 bad,
                        std::size_t most = std::string::npos);

/// Why a value cannot be written.
enum class JsonFault { too_deep, not_finite, binary, discarded, invalid_utf8 };

/// Appends `value` as compact JSON, byte for byte as its dump() gives it. What it returns was
/// found in it, and `out` then ends somewhere within. Recurses at most `max_depth` deep.
[[nodiscard]] std::optional<JsonFault> append_json(std::string& out, const nlohmann::json& value,
                                                   int max_depth);

/// Parses `text` into `out` if it is JSON that consists of nothing but objects, arrays, strings of
/// valid UTF-8 without escapes, integers of up to 18 digits and literals, at most `max_depth` deep.
/// False for everything else, valid or not: `out` is then unspecified. What it accepts
/// json::parse() accepts, with an equal result.
[[nodiscard]] bool parse_plain_json(std::string_view text, nlohmann::json& out, int max_depth);

}  // namespace mx_rmq::api
