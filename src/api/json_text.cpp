#include "api/json_text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "runtime/utf8.hpp"

namespace mx_rmq::api {
namespace {

using nlohmann::json;

constexpr std::uint64_t ones = 0x0101010101010101;
constexpr std::uint64_t tops = 0x8080808080808080;

constexpr bool plain_byte(unsigned char byte) noexcept {
  return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

/// Marks for each of eight bytes whether it is 0 (and perhaps for ones above such a byte).
constexpr std::uint64_t zero_bytes(std::uint64_t word) noexcept {
  return (word - ones) & ~word & tops;
}

bool all_plain(std::uint64_t word) noexcept {
  const std::uint64_t control = (word - ones * 0x20) & ~word;
  const std::uint64_t quote = zero_bytes(word ^ (ones * '"'));
  const std::uint64_t backslash = zero_bytes(word ^ (ones * '\\'));
  return ((word | control | quote | backslash) & tops) == 0;
}

// --- writing ---

// How `byte`, a character that does not stand as it is, is written. `room` is its memory.
std::string_view escaped(char byte, std::array<char, 6>& room) {
  constexpr std::string_view hex = "0123456789abcdef";
  constexpr std::string_view from = "\"\\\b\f\n\r\t";
  constexpr std::string_view to = "\"\\bfnrt";
  const std::size_t known = from.find(byte);
  if (known != std::string_view::npos) {
    room = {'\\', to[known]};
    return {room.data(), 2};
  }
  const auto code = static_cast<unsigned char>(byte);
  room = {'\\', 'u', '0', '0', hex[code >> 4], hex[code & 15]};
  return {room.data(), room.size()};
}

class Writer {
 public:
  Writer(std::string& out, int max_depth) : out_(out), left_(max_depth) {}

  std::optional<JsonFault> value(const json& value) {
    switch (value.type()) {
      case json::value_t::object:
        return object(value);
      case json::value_t::array:
        return array(value);
      case json::value_t::string:
        return string(value.get_ref<const std::string&>());
      case json::value_t::number_integer:
        number(value.get_ref<const json::number_integer_t&>());
        return {};
      case json::value_t::number_unsigned:
        number(value.get_ref<const json::number_unsigned_t&>());
        return {};
      case json::value_t::number_float:
        if (!std::isfinite(value.get_ref<const json::number_float_t&>()))
          return JsonFault::not_finite;
        out_ += value.dump();
        return {};
      case json::value_t::boolean:
        out_ += value.get_ref<const bool&>() ? "true" : "false";
        return {};
      case json::value_t::null:
        out_ += "null";
        return {};
      case json::value_t::binary:
        return JsonFault::binary;
      case json::value_t::discarded:
        break;
    }
    return JsonFault::discarded;
  }

 private:
  template <class Number>
  void number(Number number) {
    char text[24];
    out_.append(text, std::to_chars(text, text + sizeof text, number).ptr);
  }

  std::optional<JsonFault> string(std::string_view text) {
    if (append_json_string(out_, text, BadUtf8::refuse)) return {};
    return JsonFault::invalid_utf8;
  }

  std::optional<JsonFault> object(const json& value) {
    if (left_-- == 0) return JsonFault::too_deep;
    char before = '{';
    for (const auto& [key, element] : value.get_ref<const json::object_t&>()) {
      out_ += std::exchange(before, ',');
      if (const auto fault = string(key)) return fault;
      out_ += ':';
      if (const auto fault = this->value(element)) return fault;
    }
    if (before == '{') out_ += '{';
    out_ += '}';
    ++left_;
    return {};
  }

  std::optional<JsonFault> array(const json& value) {
    if (left_-- == 0) return JsonFault::too_deep;
    char before = '[';
    for (const json& element : value.get_ref<const json::array_t&>()) {
      out_ += std::exchange(before, ',');
      if (const auto fault = this->value(element)) return fault;
    }
    if (before == '[') out_ += '[';
    out_ += ']';
    ++left_;
    return {};
  }

  std::string& out_;
  int left_;
};

// --- reading ---

class PlainParser {
 public:
  PlainParser(std::string_view text, int max_depth) : text_(text), left_(max_depth) {}

  bool document(json& out) {
    if (!value(out)) return false;
    skip_space();
    return at_ == text_.size();
  }

 private:
  char peek() const noexcept { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(char wanted) noexcept {
    if (peek() != wanted) return false;
    ++at_;
    return true;
  }
  void skip_space() noexcept {
    while (peek() == ' ' || peek() == '\n' || peek() == '\r' || peek() == '\t') ++at_;
  }

  bool value(json& out) {
    skip_space();
    switch (peek()) {
      case '{':
        return object(out);
      case '[':
        return array(out);
      case '"': {
        std::string_view text;
        if (!string(text)) return false;
        out = text;
        return true;
      }
      case 't':
        return literal("true", out, true);
      case 'f':
        return literal("false", out, false);
      case 'n':
        return literal("null", out, nullptr);
      default:
        return integer(out);
    }
  }

  template <class Value>
  bool literal(std::string_view name, json& out, Value value) {
    if (text_.substr(at_, name.size()) != name) return false;
    at_ += name.size();
    out = value;
    return true;
  }

  bool string(std::string_view& out) {
    if (!take('"')) return false;
    const std::size_t begin = at_;
    for (;;) {
      at_ += plain_prefix(text_.substr(at_));
      if (at_ >= text_.size()) return false;
      if (text_[at_] == '"') break;
      const auto character = runtime::utf8::decode(text_, at_);
      if (character.length < 2) return false;  // invalid, a control byte, or an escape
      at_ += character.length;
    }
    out = text_.substr(begin, at_ - begin);
    ++at_;
    return true;
  }

  bool integer(json& out) {
    constexpr std::size_t most_digits = 18;
    const bool negative = take('-');
    const std::size_t begin = at_;
    std::uint64_t number = 0;
    while (peek() >= '0' && peek() <= '9') {
      if (at_ - begin == most_digits) return false;
      number = number * 10 + static_cast<std::uint64_t>(text_[at_++] - '0');
    }
    if (at_ == begin) return false;
    if (text_[begin] == '0' && (negative || at_ - begin > 1)) return false;
    if (peek() == '.' || peek() == 'e' || peek() == 'E') return false;
    if (negative) {
      out = -static_cast<std::int64_t>(number);
    } else {
      out = number;
    }
    return true;
  }

  bool object(json& out) {
    if (left_-- == 0) return false;
    ++at_;
    out = json::object();
    auto& members = out.get_ref<json::object_t&>();
    skip_space();
    if (!take('}')) {
      do {
        skip_space();
        std::string_view key;
        if (!string(key)) return false;
        skip_space();
        if (!take(':')) return false;
        // Whoever wrote it with this library wrote the keys in order. Of equal ones the last
        // counts.
        const auto member = members.emplace_hint(members.end(), std::string(key), nullptr);
        if (!value(member->second)) return false;
        skip_space();
      } while (take(','));
      if (!take('}')) return false;
    }
    ++left_;
    return true;
  }

  bool array(json& out) {
    if (left_-- == 0) return false;
    ++at_;
    out = json::array();
    auto& elements = out.get_ref<json::array_t&>();
    skip_space();
    if (!take(']')) {
      do {
        if (!value(elements.emplace_back())) return false;
        skip_space();
      } while (take(','));
      if (!take(']')) return false;
    }
    ++left_;
    return true;
  }

  const std::string_view text_;
  std::size_t at_ = 0;
  int left_;
};

}  // namespace

std::size_t plain_prefix(std::string_view text) noexcept {
  std::size_t at = 0;
  for (; text.size() - at >= sizeof(std::uint64_t); at += sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + at, sizeof word);
    if (!all_plain(word)) break;
  }
  while (at < text.size() && plain_byte(static_cast<unsigned char>(text[at]))) ++at;
  return at;
}

bool append_json_string(std::string& out, std::string_view text, BadUtf8 bad, std::size_t most) {
  out += '"';
  for (std::size_t at = 0; at < text.size();) {
    if (const std::size_t plain = plain_prefix(text.substr(at)); plain > 0) {
      const std::size_t taken = std::min(plain, most);
      out.append(text, at, taken);
      if (taken < plain) break;
      at += plain;
      most -= plain;
      continue;
    }
    const auto character = runtime::utf8::decode(text, at);
    std::array<char, 6> room;
    std::string_view shown = "\xEF\xBF\xBD";
    if (character.length == 0) {
      if (bad == BadUtf8::refuse) return false;
    } else if (character.length > 1) {
      shown = text.substr(at, character.length);
    } else {
      shown = escaped(text[at], room);
    }
    if (shown.size() > most) break;
    out += shown;
    most -= shown.size();
    at += std::max<std::size_t>(character.length, 1);
  }
  out += '"';
  return true;
}

std::optional<JsonFault> append_json(std::string& out, const json& value, int max_depth) {
  return Writer(out, max_depth).value(value);
}

bool parse_plain_json(std::string_view text, json& out, int max_depth) {
  return PlainParser(text, max_depth).document(out);
}

}  // namespace mx_rmq::api
