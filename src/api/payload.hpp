#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

/// A payload between its two forms: nlohmann::json and the bytes in the envelope. Pure, any thread.
namespace mx_rmq::api {

/// Deepest nesting of arrays and objects; `[]` is 1 deep. nlohmann parses any depth, but printing
/// and copying recurse: 100,000 crash the process.
inline constexpr int max_json_depth = 100;

/// The payload as compact JSON text. Throws std::invalid_argument naming "payload" if it is deeper
/// than max_json_depth (found without recursing deeper), holds NaN, an infinity, binary data, a
/// discarded value or invalid UTF-8, or has more than `max_bytes` bytes as text.
[[nodiscard]] std::string encode_payload(const nlohmann::json& payload, std::size_t max_bytes);

/// The payload from its bytes, whoever wrote them: integers up to 64 bits exact, bigger ones as
/// double. Throws detail::PayloadDecodeError if they are not one JSON value, or deeper than
/// max_json_depth (found before any of it is built).
[[nodiscard]] nlohmann::json decode_payload(std::string_view text);

}  // namespace mx_rmq::api
