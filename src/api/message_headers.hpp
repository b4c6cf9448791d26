#pragma once

#include <map>
#include <string>
#include <string_view>

/// The headers of a message between their two forms: a map, and one line of JSON in the envelope.
/// Pure, any thread.
namespace mx_rmq::api {

inline constexpr std::size_t max_headers = 64;
/// Names and values together.
inline constexpr std::size_t max_header_bytes = 8192;
inline constexpr std::size_t max_header_name = 128;

/// At most 64 headers of 8 KiB together; a name is [A-Za-z0-9._:/-]{1,128}, a value UTF-8. Throws
/// std::invalid_argument that begins with "header".
void validate_headers(const std::map<std::string, std::string>& headers);

/// One line of JSON; empty for no headers. They were checked.
[[nodiscard]] std::string encode_headers(const std::map<std::string, std::string>& headers);

/// Reads what an envelope has, whoever wrote it: a value that is no string is given as its JSON.
/// Throws detail::PayloadDecodeError if it is no JSON object.
[[nodiscard]] std::map<std::string, std::string> decode_headers(std::string_view text);

}  // namespace mx_rmq::api
