#include "dead_filter.hpp"

#include <cctype>
#include <cmath>
#include <cstdlib>
#include <stdexcept>

namespace mxrmq {
namespace {

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
bool is_id(char c) noexcept {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == '-';
}
bool is_word(char c) noexcept { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

// How many characters at the front are an id; 0: there is none.
std::size_t id_size(std::string_view text) noexcept {
  constexpr std::size_t least = 8;
  std::size_t size = 0;
  bool digit = false;
  while (size < text.size() && is_id(text[size])) digit = is_digit(text[size++]) || digit;
  const bool ends = size == text.size() || !is_word(text[size]);
  return size >= least && digit && ends ? size : 0;
}

}  // namespace

bool glob(std::string_view pattern, std::string_view text) noexcept {
  std::size_t at = 0, in = 0, star = std::string_view::npos, retry = 0;
  while (in < text.size()) {
    if (at < pattern.size() && pattern[at] == '*') {
      star = at++;
      retry = in;
    } else if (at < pattern.size() && pattern[at] == text[in]) {
      ++at;
      ++in;
    } else if (star != std::string_view::npos) {
      at = star + 1;
      in = ++retry;
    } else {
      return false;
    }
  }
  while (at < pattern.size() && pattern[at] == '*') ++at;
  return at == pattern.size();
}

bool DeadFilter::matches(const mx_rmq::DeadLetter& letter) const {
  if (!reason.empty() && letter.reason != reason) return false;
  if (before && letter.dead_at >= *before) return false;
  return error.empty() || glob(error, letter.last_error);
}

std::string normalised(std::string_view error) {
  std::string out;
  for (std::size_t at = 0; at < error.size();) {
    const bool begins = at == 0 || !is_word(error[at - 1]);
    const std::size_t close = error[at] == '"' ? error.find('"', at + 1) : std::string_view::npos;
    if (close != std::string_view::npos) {
      out += "\"…\"";
      at = close + 1;
    } else if (const std::size_t id = begins ? id_size(error.substr(at)) : 0; id > 0) {
      out += "ID";
      at += id;
    } else if (is_digit(error[at])) {
      out += 'N';
      while (at < error.size() && is_digit(error[at])) ++at;
    } else {
      out += error[at++];
    }
  }
  return out;
}

double parse_rate(const std::string& what, const std::string& text) {
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  const std::string unit = end;
  const double seconds = unit == "/s" ? 1 : unit == "/m" ? 60 : unit == "/h" ? 3600 : 0;
  if (seconds == 0 || !std::isfinite(number) || number <= 0)
    throw std::invalid_argument(what + ": \"" + text + "\" is no rate; write 50/s, 600/m or 10/h");
  return number / seconds;
}

}  // namespace mxrmq
