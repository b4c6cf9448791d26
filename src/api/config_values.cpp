#include "api/config_values.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <utility>

namespace mx_rmq::api {
namespace {

using std::chrono::milliseconds;

struct Unit {
  std::string_view name;
  std::int64_t ms;
};

// Longest names first, so that "ms" is not taken for "s".
constexpr std::array units{Unit{"ms", 1}, Unit{"s", 1000}, Unit{"m", 60'000}, Unit{"h", 3'600'000},
                           Unit{"d", 86'400'000}};

std::string_view trimmed(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

/// Digits only: no sign, at least one.
std::optional<std::int64_t> parse_digits(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc{} && end == text.data() + text.size();
  if (text.empty() || text.front() == '-' || !whole) return std::nullopt;
  return value;
}

std::optional<std::int64_t> times(std::int64_t value, std::int64_t factor) {
  if (value > std::numeric_limits<std::int64_t>::max() / factor) return std::nullopt;
  return value * factor;
}

/// ".5" of an hour and the like: exact, or nothing.
std::optional<std::int64_t> parse_fraction(std::string_view digits, std::int64_t unit_ms) {
  while (!digits.empty() && digits.back() == '0') digits.remove_suffix(1);
  if (digits.empty()) return 0;
  if (digits.size() > 9) return std::nullopt;  // no unit is that fine, and the product stays small
  const auto numerator = parse_digits(digits);
  std::int64_t denominator = 1;
  for (std::size_t i = 0; i < digits.size(); ++i) denominator *= 10;
  if (!numerator || (*numerator * unit_ms) % denominator != 0) return std::nullopt;
  return *numerator * unit_ms / denominator;
}

}  // namespace

std::optional<std::int64_t> parse_integer(std::string_view text) {
  text = trimmed(text);
  if (!text.empty() && text.front() == '+')
    text.remove_prefix(1);
  else if (!text.empty() && text.front() == '-') {
    const auto value = parse_digits(text.substr(1));
    return value ? std::optional(-*value) : std::nullopt;
  }
  return parse_digits(text);
}

std::optional<bool> parse_bool(std::string_view text) {
  std::string lower(trimmed(text));
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  if (lower == "true" || lower == "1" || lower == "yes" || lower == "on") return true;
  if (lower == "false" || lower == "0" || lower == "no" || lower == "off") return false;
  return std::nullopt;
}

std::optional<milliseconds> parse_duration(std::string_view text) {
  text = trimmed(text);
  const bool negative = !text.empty() && text.front() == '-';
  if (negative) text.remove_prefix(1);
  std::int64_t unit_ms = 1000;  // a plain number is seconds
  for (const Unit& unit : units) {
    if (text.ends_with(unit.name)) {
      unit_ms = unit.ms;
      text.remove_suffix(unit.name.size());
      break;
    }
  }
  std::string_view fraction;
  if (const std::size_t dot = text.find('.'); dot != std::string_view::npos) {
    fraction = text.substr(dot + 1);
    text = text.substr(0, dot);
    if (!parse_digits(fraction.substr(0, 18))) return std::nullopt;
  }
  const auto whole = parse_digits(text);
  const auto whole_ms = whole ? times(*whole, unit_ms) : std::nullopt;
  const auto part_ms = parse_fraction(fraction, unit_ms);
  if (!whole_ms || !part_ms) return std::nullopt;
  if (*whole_ms > std::numeric_limits<std::int64_t>::max() - *part_ms) return std::nullopt;
  const std::int64_t ms = *whole_ms + *part_ms;
  return milliseconds(negative ? -ms : ms);
}

std::optional<std::vector<milliseconds>> parse_durations(std::string_view text) {
  std::vector<milliseconds> values;
  if (trimmed(text).empty()) return values;
  for (;;) {
    const std::size_t comma = text.find(',');
    const auto value = parse_duration(text.substr(0, comma));
    if (!value) return std::nullopt;
    values.push_back(*value);
    if (comma == std::string_view::npos) return values;
    text.remove_prefix(comma + 1);
  }
}

std::string format_duration(milliseconds value) {
  const std::int64_t ms = value.count();
  if (ms == 0) return "0s";
  for (auto unit = units.rbegin(); unit != units.rend(); ++unit)
    if (ms % unit->ms == 0) return std::to_string(ms / unit->ms) + std::string(unit->name);
  return std::to_string(ms) + "ms";
}

std::string format_durations(const std::vector<milliseconds>& values) {
  std::string out;
  for (const milliseconds value : values) {
    if (!out.empty()) out += ',';
    out += format_duration(value);
  }
  return out;
}

}  // namespace mx_rmq::api
