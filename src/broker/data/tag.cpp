#include "broker/data/tag.hpp"

#include <array>
#include <charconv>
#include <system_error>

namespace mx_rmq::broker {

namespace {

// One decimal number as to_chars writes it: digits only, no leading zero.
template <class T>
bool read_number(std::string_view text, T& out) noexcept {
  if (text.empty() || (text.size() > 1 && text.front() == '0')) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

std::string Tag::text() const {
  std::array<char, 32> buffer;
  char* at = std::to_chars(buffer.data(), buffer.data() + buffer.size(), claim).ptr;
  *at++ = '.';
  at = std::to_chars(at, buffer.data() + buffer.size(), index).ptr;
  return std::string(buffer.data(), at);
}

std::optional<Tag> Tag::parse(std::string_view text) noexcept {
  const std::size_t dot = text.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  Tag tag;
  if (!read_number(text.substr(0, dot), tag.claim)) return std::nullopt;
  if (!read_number(text.substr(dot + 1), tag.index)) return std::nullopt;
  return tag;
}

}  // namespace mx_rmq::broker
