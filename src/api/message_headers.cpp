#include "api/message_headers.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "api/json_text.hpp"
#include "api/payload.hpp"
#include "mx_rmq/detail/payload_decode_error.hpp"
#include "runtime/text.hpp"
#include "runtime/utf8.hpp"

namespace mx_rmq::api {
namespace {

using nlohmann::json;

bool header_name_character(char c) noexcept {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
         std::string_view("._:/-").find(c) != std::string_view::npos;
}

[[noreturn]] void refuse_header(const std::string& name, const std::string& why) {
  throw std::invalid_argument("header " + runtime::text::quoted(name) + ": " + why);
}

}  // namespace

void validate_headers(const std::map<std::string, std::string>& headers) {
  std::size_t bytes = 0;
  for (const auto& [name, value] : headers) {
    if (name.empty() || name.size() > max_header_name ||
        !std::all_of(name.begin(), name.end(), header_name_character))
      refuse_header(name,
                    "this name is not allowed; allowed are 1 to 128 characters out of A-Z a-z 0-9 "
                    ". _ : / -");
    if (const std::size_t bad = runtime::utf8::find_invalid(value); bad != std::string_view::npos)
      refuse_header(name, "invalid UTF-8 at byte " + std::to_string(bad) + " of its value");
    bytes += name.size() + value.size();
  }
  if (headers.size() > max_headers)
    throw std::invalid_argument("header: " + std::to_string(headers.size()) + " headers; at most " +
                                std::to_string(max_headers) + " are allowed");
  if (bytes > max_header_bytes)
    throw std::invalid_argument("header: names and values have " + std::to_string(bytes) +
                                " bytes together; at most " + std::to_string(max_header_bytes) +
                                " are allowed");
}

std::string encode_headers(const std::map<std::string, std::string>& headers) {
  std::string line;
  char before = '{';
  for (const auto& [name, value] : headers) {
    line += std::exchange(before, ',');
    append_json_string(line, name, BadUtf8::replace);
    line += ':';
    append_json_string(line, value, BadUtf8::replace);
  }
  if (!line.empty()) line += '}';
  return line;
}

std::map<std::string, std::string> decode_headers(std::string_view text) {
  std::map<std::string, std::string> headers;
  if (text.empty()) return headers;
  json value;
  try {
    value = decode_payload(text);
  } catch (const detail::PayloadDecodeError& error) {
    throw detail::PayloadDecodeError(std::string("headers, read as a ") + error.what());
  }
  if (!value.is_object()) throw detail::PayloadDecodeError("headers: they are no JSON object");
  for (auto& [name, each] : value.get_ref<json::object_t&>())
    headers.emplace(name, each.is_string() ? std::move(each.get_ref<std::string&>()) : each.dump());
  return headers;
}

}  // namespace mx_rmq::api
