#include "broker/data/history.hpp"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "api/json_text.hpp"

namespace mx_rmq::broker {

namespace {

using nlohmann::json;

// The object at the end of a history, member by member.
class Details {
 public:
  explicit Details(std::string& out) : out_(out) {}
  ~Details() {
    if (any_) out_ += '}';
  }
  Details(const Details&) = delete;
  Details& operator=(const Details&) = delete;

  void add(std::string_view name, std::int64_t value) {
    begin(name);
    out_ += std::to_string(value);
  }
  template <class Number>
  void add(std::string_view name, const std::optional<Number>& value) {
    if (value) add(name, std::int64_t{*value});
  }
  void add(std::string_view name, const std::vector<std::chrono::milliseconds>& values) {
    begin(name);
    char before = '[';
    for (const auto value : values) {
      out_ += std::exchange(before, ',');
      out_ += std::to_string(value.count());
    }
    out_ += values.empty() ? "[]" : "]";
  }

 private:
  void begin(std::string_view name) {
    out_ += any_ ? ",\"" : ",{\"";
    out_.append(name).append("\":");
    any_ = true;
  }

  std::string& out_;
  bool any_ = false;
};

// A whole number that is not negative and fits.
template <class Number>
bool read_whole(const json& value, Number& out) {
  constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<Number>::max());
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > most) return false;
  out = static_cast<Number>(value.get<std::uint64_t>());
  return true;
}

template <class Number>
bool read_member(const json& object, const char* name, std::optional<Number>& out) {
  const auto at = object.find(name);
  if (at == object.end()) return true;
  return read_whole(*at, out.emplace());
}

bool read_details(const json& object, History& out) {
  std::optional<std::int32_t> interruptions;
  const bool numbers = read_member(object, "ended", out.ended_at) &&
                       read_member(object, "interrupted", interruptions) &&
                       read_member(object, "begun", out.interrupted_run) &&
                       read_member(object, "first", out.first_began) &&
                       read_member(object, "requeued", out.requeued_at) &&
                       read_member(object, "failed", out.failures) &&
                       read_member(object, "retries", out.max_retries);
  if (!numbers) return false;
  out.interruptions = interruptions.value_or(0);
  const auto delays = object.find("delays");
  if (delays == object.end()) return true;
  if (!delays->is_array()) return false;
  for (const json& each : *delays) {
    std::int64_t delay = 0;
    if (!read_whole(each, delay)) return false;
    out.retry_delays.emplace_back(delay);
  }
  return true;
}

}  // namespace

void add_failure(History& history, std::string error, std::int64_t began_at,
                 std::int64_t ended_at) {
  history.last_error = std::move(error);
  history.started_at.push_back(began_at);
  history.ended_at = ended_at;
  if (history.started_at.size() > max_history_times && !history.first_began)
    history.first_began = history.started_at.front();
}

std::optional<std::int64_t> first_began(const History& history, int attempts) {
  if (attempts <= 0 || history.started_at.empty()) return std::nullopt;
  if (history.first_began) return history.first_began;
  const auto kept = history.started_at.size();
  return history.started_at[kept - std::min(kept, static_cast<std::size_t>(attempts))];
}

void add_interruption(History& history, std::int64_t began_at) {
  if (history.interruptions < std::numeric_limits<std::int32_t>::max()) ++history.interruptions;
  history.interrupted_run = began_at;
}

std::string encode_history(const History& history, std::size_t max_error_bytes) {
  std::string out;
  const std::size_t error = history.last_error ? history.last_error->size() : 4;
  out.reserve(std::min(error, max_error_bytes) + 16 * history.started_at.size() + 96);
  out += '[';
  if (history.last_error) {
    api::append_json_string(out, *history.last_error, api::BadUtf8::replace, max_error_bytes);
  } else {
    out += "null";
  }
  out += ",[";
  const std::size_t count = history.started_at.size();
  const std::size_t first = count > max_history_times ? count - max_history_times : 0;
  for (std::size_t i = first; i < count; ++i) {
    if (i > first) out += ',';
    out += std::to_string(history.started_at[i]);
  }
  out += ']';
  {
    Details details(out);
    details.add("ended", history.ended_at);
    if (history.interruptions > 0) details.add("interrupted", history.interruptions);
    details.add("begun", history.interrupted_run);
    details.add("first", history.first_began);
    details.add("requeued", history.requeued_at);
    details.add("failed", history.failures);
    details.add("retries", history.max_retries);
    if (!history.retry_delays.empty()) details.add("delays", history.retry_delays);
  }
  out += ']';
  return out;
}

std::optional<History> parse_history(std::string_view history) {
  if (history.empty()) return std::nullopt;
  const json parsed = json::parse(history, nullptr, false);
  if (!parsed.is_array() || parsed.size() < 2 || parsed.size() > 3) return std::nullopt;
  const json& error = parsed[0];
  const json& times = parsed[1];
  if ((!error.is_string() && !error.is_null()) || !times.is_array()) return std::nullopt;
  History out;
  if (error.is_string()) out.last_error = error.get<std::string>();
  for (const json& time : times) {
    if (!read_whole(time, out.started_at.emplace_back())) return std::nullopt;
  }
  if (parsed.size() == 3 && (!parsed[2].is_object() || !read_details(parsed[2], out))) {
    return std::nullopt;
  }
  return out;
}

std::string dead_line(std::string_view reason, std::string_view history) {
  std::string out;
  out.reserve(reason.size() + 1 + history.size());
  return out.append(reason).append(1, '\t').append(history);
}

}  // namespace mx_rmq::broker
