#include "runtime/text.hpp"

#include <algorithm>
#include <cstdint>

#include "runtime/utf8.hpp"

namespace mx_rmq::runtime::text {
namespace {

void append_hex(std::string& out, std::string_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += "\\x";
    out += digits[byte >> 4];
    out += digits[byte & 0xF];
  }
}

/// Characters that change how the rest of a line is read or shown.
bool deceptive(std::uint32_t c) noexcept {
  const bool control = c < 0x20 || (c >= 0x7F && c <= 0x9F);
  const bool separator = c == 0x2028 || c == 0x2029;
  const bool bidi = c == 0x061C || c == 0x200E || c == 0x200F || (c >= 0x202A && c <= 0x202E) ||
                    (c >= 0x2066 && c <= 0x2069);
  return control || separator || bidi || c == 0xFEFF;
}

/// Whole characters, as long as they take at most `most` bytes as they are shown. False: some were
/// left out.
bool append(std::string& out, std::string_view text, bool escape_quotes,
            std::size_t most = std::string::npos) {
  const std::size_t begin = out.size();
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t before = out.size();
    const utf8::Decoded next = utf8::decode(text, at);
    const std::size_t length = next.length == 0 ? 1 : next.length;
    const std::string_view bytes = text.substr(at, length);
    at += length;
    if (next.length == 0) {
      append_hex(out, bytes);
    } else if (next.code_point == '\n') {
      out += "\\n";
    } else if (next.code_point == '\r') {
      out += "\\r";
    } else if (next.code_point == '\t') {
      out += "\\t";
    } else if (deceptive(next.code_point)) {
      append_hex(out, bytes);
    } else if (escape_quotes && (next.code_point == '"' || next.code_point == '\\')) {
      out += '\\';
      out += bytes;
    } else {
      out += bytes;
    }
    if (out.size() - begin > most) {
      out.resize(before);
      return false;
    }
  }
  return true;
}

}  // namespace

void append_escaped(std::string& out, std::string_view text) { append(out, text, false); }

void append_shortened(std::string& out, std::string_view text, std::size_t max_bytes) {
  if (!append(out, text, false, max_bytes)) out += "...";
}

void append_value(std::string& out, std::string_view text) {
  const bool plain = !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return c > ' ' && c < 0x7F && c != '"' && c != '\\' && c != '=';
  });
  if (plain) {
    out += text;
    return;
  }
  out += '"';
  append(out, text, true);
  out += '"';
}

std::string quoted(std::string_view text, std::size_t max_bytes) {
  std::string out = "\"";
  const bool whole = append(out, text, true, max_bytes);
  out += whole ? "\"" : "\"...";
  return out;
}

}  // namespace mx_rmq::runtime::text
