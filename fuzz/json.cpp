// Payloads: our reader and writer beside nlohmann's.
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>

#include "api/json_text.hpp"
#include "api/payload.hpp"
#include "fuzz.hpp"
#include "mx_rmq/handler.hpp"

using namespace mx_rmq;
using fuzz::require;
using nlohmann::json;

namespace {

constexpr std::size_t most_bytes = std::size_t{1} << 20;

std::optional<json> decoded(std::string_view text) {
  try {
    return api::decode_payload(text);
  } catch (const detail::PayloadDecodeError& error) {
    require(std::string_view(error.what()).size() < 1000, "an error is short");
    return std::nullopt;
  }
}

std::optional<std::string> encoded(const json& value, std::size_t most) {
  try {
    return api::encode_payload(value, most);
  } catch (const std::invalid_argument&) {
    return std::nullopt;
  }
}

// Its depth must not be beyond what nlohmann can print.
std::optional<std::string> dumped(const json& value) {
  try {
    return value.dump();
  } catch (const json::type_error&) {
    return std::nullopt;
  }
}

void check_writing(const json& value) {
  const auto ours = encoded(value, most_bytes);
  require(ours.has_value(), "what was read as a payload can be written");
  require(ours == dumped(value), "a payload is written as nlohmann does");
  require(decoded(*ours) == value, "a payload comes back as it was");
  require(!encoded(value, ours->size() - 1), "one byte over the limit is refused");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  // nlohmann takes a NUL for the end of the text.
  const bool whole = text.find('\0') == std::string_view::npos;
  const json reference = json::parse(text.begin(), text.end(), nullptr, false);
  const std::optional<json> value = decoded(text);
  if (value) {
    require(whole && !reference.is_discarded(), "we accept nothing that nlohmann refuses");
    require(*value == reference, "we read what nlohmann reads");
    require(value->dump(-1, ' ', false, json::error_handler_t::replace) ==
                reference.dump(-1, ' ', false, json::error_handler_t::replace),
            "numbers keep their kind");
    check_writing(*value);
  }
  json plain;
  if (api::parse_plain_json(text, plain, api::max_json_depth)) {
    require(!reference.is_discarded() && plain == reference, "the quick reader reads the same");
  }
  // A string of any bytes, as a program may hand it in.
  const json string = std::string(text);
  require(encoded(string, 8 * most_bytes) == dumped(string),
          "strings are written as nlohmann does");
  require(api::plain_prefix(text) <= size, "a prefix is one");
  return 0;
}
