#pragma once

#include <optional>
#include <string_view>

namespace mx_rmq::redis {

/// The value of a line "name:value" of what INFO was answered. It lives as long as `text`.
[[nodiscard]] std::optional<std::string_view> info_field(std::string_view text,
                                                         std::string_view name) noexcept;

}  // namespace mx_rmq::redis
