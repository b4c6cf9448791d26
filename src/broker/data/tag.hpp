#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace mx_rmq::broker {

/// What a message is called while a consumer holds it: the number of the claim that took it, which
/// the consumer itself counts from 1, and its place in that claim, from 1. So a tag never means two
/// messages of one consumer, whatever a server forgets.
struct Tag {
  std::uint64_t claim = 0;
  std::uint32_t index = 0;

  /// "<claim>.<index>"
  [[nodiscard]] std::string text() const;
  /// Nothing unless `text` is exactly what text() of some tag gives.
  [[nodiscard]] static std::optional<Tag> parse(std::string_view text) noexcept;

  friend auto operator<=>(const Tag&, const Tag&) = default;
};

}  // namespace mx_rmq::broker

template <>
struct std::hash<mx_rmq::broker::Tag> {
  std::size_t operator()(const mx_rmq::broker::Tag& tag) const noexcept {
    return std::hash<std::uint64_t>{}(tag.claim * 0x9E3779B97F4A7C15ULL + tag.index);
  }
};
