#pragma once

#include <cstdint>
#include <string_view>

namespace mx_rmq::redis {

/// A Cluster has so many slots; each key is in one of them.
inline constexpr int slot_count = 16384;

/// The slot of a key: of what stands between its first '{' and the next '}' if that is not empty,
/// else of the whole key.
[[nodiscard]] int slot_of(std::string_view key) noexcept;

/// The beginning of a hash tag: for whoever looks for an end with which it is in a certain slot.
class SlotPrefix {
 public:
  explicit SlotPrefix(std::string_view tag) noexcept;

  /// With one character more.
  [[nodiscard]] SlotPrefix then(char next) const noexcept;
  /// The slot of the tag that ends here.
  [[nodiscard]] int slot() const noexcept { return crc_ % slot_count; }

 private:
  explicit SlotPrefix(std::uint16_t crc) noexcept : crc_(crc) {}

  std::uint16_t crc_ = 0;
};

}  // namespace mx_rmq::redis
