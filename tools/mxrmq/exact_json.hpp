#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace mxrmq {

/// The value of a JSON text, if it can be had without losing anything; else the text itself: where
/// it is none, or has integers of more than 64 bits.
[[nodiscard]] nlohmann::json exact_json(const std::string& text);

}  // namespace mxrmq
