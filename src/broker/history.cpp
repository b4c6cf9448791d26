#include "broker/history.hpp"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "runtime/utf8.hpp"

namespace mx_rmq::broker {

namespace {

// Numbers as JSON has them and parse_history() takes them, with commas between.
bool readable_times(std::string_view times) {
  for (bool more = !times.empty(); more;) {
    std::int64_t time = 0;
    const auto [end, error] = std::from_chars(times.data(), times.data() + times.size(), time);
    const auto size = static_cast<std::size_t>(end - times.data());
    if (error != std::errc() || (times.front() == '0' && size > 1)) return false;
    times.remove_prefix(size);
    more = !times.empty();
    if (more) times.remove_prefix(1);  // a comma
  }
  return true;
}

// The last `most` of the times of a history, as text, without their brackets; empty if there are none.
// Strings may hold anything, but the times come last and are digits and commas only.
std::string_view times_of(std::string_view history, std::size_t most) {
  if (!history.ends_with("]]")) return {};
  history.remove_suffix(2);
  const std::size_t open = history.rfind('[');
  if (open == std::string_view::npos || open == 0) return {};
  std::string_view times = history.substr(open + 1);
  if (times.find_first_not_of("0123456789,") != std::string_view::npos) return {};
  if (!readable_times(times)) return {};
  std::size_t count = times.empty() ? 0 : 1;
  count += static_cast<std::size_t>(std::count(times.begin(), times.end(), ','));
  for (; count > most; --count) times.remove_prefix(times.find(',') + 1);
  return times;
}

std::string compose(std::string_view error, std::size_t max_error_bytes, std::string_view times,
                    std::int64_t started_at) {
  std::string out;
  out.reserve(std::min(error.size(), max_error_bytes) + times.size() + 32);
  out += '[';
  append_json_string(out, error, max_error_bytes);
  out.append(",[").append(times);
  if (started_at > 0) {
    if (!times.empty()) out += ',';
    out += std::to_string(started_at);
  }
  out += "]]";
  return out;
}

}  // namespace

void append_json_string(std::string& out, std::string_view text, std::size_t max_bytes) {
  static constexpr char hex[] = "0123456789abcdef";
  out += '"';
  for (std::size_t at = 0; at < text.size();) {
    const auto next = runtime::utf8::decode(text, at);
    const std::size_t length = next.length == 0 ? 1 : next.length;
    if (at + length > max_bytes) break;
    const char c = text[at];
    if (next.length == 0) {
      out += "\xEF\xBF\xBD";
    } else if (next.code_point < 0x20 || next.code_point == 0x7F) {
      out.append("\\u00").append(1, hex[next.code_point >> 4]).append(1, hex[next.code_point & 15]);
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out.append(text, at, length);
    }
    at += length;
  }
  out += '"';
}

std::string append_history(std::string_view history, std::string_view error,
                           std::int64_t started_at, std::size_t max_error_bytes) {
  return compose(error, max_error_bytes, times_of(history, max_history_times - 1), started_at);
}

std::string with_error(std::string_view history, std::string_view error,
                       std::size_t max_error_bytes) {
  return compose(error, max_error_bytes, times_of(history, max_history_times), 0);
}

std::optional<History> parse_history(std::string_view history) {
  if (history.empty()) return std::nullopt;
  const auto json = nlohmann::json::parse(history, nullptr, false);
  if (!json.is_array() || json.size() != 2 || !json[0].is_string() || !json[1].is_array()) {
    return std::nullopt;
  }
  History out;
  out.last_error = json[0].get<std::string>();
  for (const auto& time : json[1]) {
    if (!time.is_number_integer()) return std::nullopt;
    if (time.is_number_unsigned() && time.get<std::uint64_t>() > INT64_MAX) return std::nullopt;
    out.started_at.push_back(time.get<std::int64_t>());
  }
  return out;
}

std::string dead_line(std::string_view reason, std::string_view history) {
  std::string out;
  out.reserve(reason.size() + 1 + history.size());
  return out.append(reason).append(1, '\t').append(history);
}

}  // namespace mx_rmq::broker
