#include "api/payload.hpp"

#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>

#include "api/json_text.hpp"
#include "mx_rmq/detail/payload_decode_error.hpp"
#include "runtime/text.hpp"

namespace mx_rmq::api {
namespace {

using nlohmann::json;

[[noreturn]] void refuse_payload(const std::string& why) {
  throw std::invalid_argument("payload: " + why);
}

std::string too_deep() {
  return "it is nested deeper than " + std::to_string(max_json_depth) + " arrays and objects";
}

std::string why(JsonFault fault) {
  switch (fault) {
    case JsonFault::too_deep:
      return too_deep();
    case JsonFault::not_finite:
      return "NaN and infinity are not JSON";
    case JsonFault::binary:
      return "binary values are not JSON; send them as text, for instance in base64";
    case JsonFault::discarded:
      return "it holds a discarded value, which a failed parse leaves";
    case JsonFault::invalid_utf8:
      break;
  }
  return "a string in it is invalid UTF-8";
}

/// Why a parse must not even be tried; nothing if it may. Depth counts brackets outside of strings.
/// A raw NUL is never JSON, but nlohmann takes it for the end of the text and would ignore what
/// follows.
std::optional<std::string> scan(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '\0') return "a NUL byte at " + std::to_string(at);
    if (in_string) {
      if (c == '\\')
        ++at;  // what follows cannot end the string
      else if (c == '"')
        in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > max_json_depth) return too_deep();
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return std::nullopt;
}

/// A parse error repeats the token that it failed at, which may be a megabyte.
std::string shortened(std::string_view error) {
  std::string out;
  runtime::text::append_shortened(out, error, 200);
  return out;
}

}  // namespace

std::string encode_payload(const json& payload, std::size_t max_bytes) {
  std::string text;
  if (const auto* string = payload.get_ptr<const std::string*>()) text.reserve(string->size() + 2);
  if (const auto fault = append_json(text, payload, max_json_depth)) refuse_payload(why(*fault));
  if (text.size() > max_bytes)
    refuse_payload("it has " + std::to_string(text.size()) + " bytes as JSON, over the limit of " +
                   std::to_string(max_bytes) + " (max_payload_bytes)");
  return text;
}

json decode_payload(std::string_view text) {
  if (json value; parse_plain_json(text, value, max_json_depth)) return value;
  if (const auto problem = scan(text))
    throw detail::PayloadDecodeError("payload: not readable as JSON: " + *problem);
  try {
    return json::parse(text);
  } catch (const json::exception& error) {
    throw detail::PayloadDecodeError("payload: not readable as JSON: " + shortened(error.what()));
  }
}

}  // namespace mx_rmq::api
