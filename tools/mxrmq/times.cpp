#include "times.hpp"

#include <array>
#include <cctype>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <stdexcept>

namespace mxrmq {

std::string utc(std::int64_t unix_ms) {
  const std::time_t seconds = static_cast<std::time_t>(unix_ms / 1000);
  std::tm parts{};
  if (unix_ms < 0 || ::gmtime_r(&seconds, &parts) == nullptr) return std::to_string(unix_ms) + "ms";
  std::array<char, 40> date{};
  std::strftime(date.data(), date.size(), "%Y-%m-%d %H:%M:%S", &parts);
  std::array<char, 8> fraction{};
  std::snprintf(fraction.data(), fraction.size(), ".%03dZ", static_cast<int>(unix_ms % 1000));
  return std::string(date.data()) + fraction.data();
}

std::string in_words(std::chrono::milliseconds time) {
  const std::int64_t ms = time.count();
  if (ms < 1'000) return std::to_string(ms) + "ms";
  if (ms < 60'000) return std::to_string(ms / 1'000) + "." + std::to_string(ms / 100 % 10) + "s";
  const auto two = [](std::int64_t large, const char* unit, std::int64_t small, const char* next) {
    std::string out = std::to_string(large) + unit;
    if (small > 0) out += ' ' + std::to_string(small) + next;
    return out;
  };
  const std::int64_t seconds = ms / 1'000;
  if (seconds < 3'600) return two(seconds / 60, "m", seconds % 60, "s");
  if (seconds < 86'400) return two(seconds / 3'600, "h", seconds / 60 % 60, "m");
  return two(seconds / 86'400, "d", seconds / 3'600 % 24, "h");
}

std::chrono::milliseconds parse_duration(const std::string& what, const std::string& text) {
  char* end = nullptr;
  const double number = text.empty() || std::isdigit(static_cast<unsigned char>(text[0])) == 0
                            ? -1
                            : std::strtod(text.c_str(), &end);
  const std::string unit = end == nullptr ? "" : end;
  double ms = -1;
  if (unit == "ms") ms = number;
  if (unit == "s") ms = number * 1e3;
  if (unit == "m") ms = number * 6e4;
  if (unit == "h") ms = number * 3.6e6;
  if (unit == "d") ms = number * 8.64e7;
  if (!std::isfinite(ms) || ms < 0 || ms > 1e15)
    throw std::invalid_argument(what + ": \"" + text +
                                "\" is no duration; write 250ms, 1.5s, 30m, 2h or 7d");
  return std::chrono::milliseconds(static_cast<std::int64_t>(std::ceil(ms)));
}

std::int64_t parse_time(const std::string& what, const std::string& text) {
  if (!text.empty() && text.find_first_not_of("0123456789") == std::string::npos &&
      text.size() <= 15)
    return std::stoll(text);
  std::tm parts{};
  const std::string with_t = [&] {
    std::string copy = text;
    if (copy.size() > 10 && copy[10] == ' ') copy[10] = 'T';
    return copy;
  }();
  const char* const rest = ::strptime(with_t.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  double fraction = 0;
  char* end = nullptr;
  if (rest != nullptr) {
    end = const_cast<char*>(rest);
    if (*rest == '.') fraction = std::strtod(rest, &end);
  }
  if (rest == nullptr || std::string(end) != "Z")
    throw std::invalid_argument(what + ": \"" + text +
                                "\" is no time; write 2026-11-28T15:04:05Z or unix milliseconds");
  return static_cast<std::int64_t>(::timegm(&parts)) * 1000 +
         static_cast<std::int64_t>(std::floor(fraction * 1000));
}

}  // namespace mxrmq
