#pragma once

#include <cstdint>
#include <string_view>

namespace mx_rmq::redis {

/// A Cluster has so many slots; each key is in one of them.
inline constexpr int slot_count = 16384;

/// The slot of a key: of what stands between its first '{' and the next '}' if that is not empty,
/// else of the whole key.
[[nodiscard]] int slot_of(std::string_view key) noexcept;

}  // namespace mx_rmq::redis
