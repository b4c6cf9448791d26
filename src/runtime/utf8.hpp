#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

/// Strict UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing beyond U+10FFFF). Pure
/// functions.
namespace mx_rmq::runtime::utf8 {

struct Decoded {
  std::uint32_t code_point = 0;
  std::size_t length = 0;  ///< bytes taken; 0 = invalid here
};

/// Decodes the character that begins at `text[at]`; `at` must be inside the text.
constexpr Decoded decode(std::string_view text, std::size_t at) noexcept {
  const auto byte = [&](std::size_t i) noexcept -> std::uint32_t {
    return static_cast<unsigned char>(text[i]);
  };
  const std::uint32_t first = byte(at);
  if (first < 0x80) return {first, 1};
  std::size_t length = 0;
  std::uint32_t code_point = 0;
  std::uint32_t smallest = 0;
  if (first >= 0xC2 && first <= 0xDF) {
    length = 2, code_point = first & 0x1F, smallest = 0x80;
  } else if (first >= 0xE0 && first <= 0xEF) {
    length = 3, code_point = first & 0x0F, smallest = 0x800;
  } else if (first >= 0xF0 && first <= 0xF4) {
    length = 4, code_point = first & 0x07, smallest = 0x10000;
  } else {
    return {};
  }
  if (text.size() - at < length) return {};
  for (std::size_t i = 1; i < length; ++i) {
    const std::uint32_t next = byte(at + i);
    if ((next & 0xC0) != 0x80) return {};
    code_point = (code_point << 6) | (next & 0x3F);
  }
  const bool surrogate = code_point >= 0xD800 && code_point <= 0xDFFF;
  if (code_point < smallest || code_point > 0x10FFFF || surrogate) return {};
  return {code_point, length};
}

/// Position of the first byte that is not part of valid UTF-8, or npos.
constexpr std::size_t find_invalid(std::string_view text) noexcept {
  for (std::size_t at = 0; at < text.size();) {
    const Decoded next = decode(text, at);
    if (next.length == 0) return at;
    at += next.length;
  }
  return std::string_view::npos;
}

constexpr bool valid(std::string_view text) noexcept {
  return find_invalid(text) == std::string_view::npos;
}

}  // namespace mx_rmq::runtime::utf8
