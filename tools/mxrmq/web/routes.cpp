#include "web/routes.hpp"

#include <algorithm>
#include <charconv>
#include <functional>
#include <stdexcept>
#include <utility>

#include "dead_filter.hpp"

namespace mxrmq::web {

namespace {

using mx_rmq::RedisMessageQueue;
using mx_rmq::Task;
using nlohmann::ordered_json;
using Needs = Guard::Needs;

// Payloads are shown as text, cut to this: the page never makes numbers of them.
constexpr std::size_t most_payload = 64 * 1024;

ordered_json topic_json(const std::string& name, const mx_rmq::TopicMetrics& topic) {
  const mx_rmq::MessageCounters& counters = topic.counters;
  return {{"topic", name},
          {"waiting", topic.pending},
          {"suspects", topic.suspects},
          {"delayed", topic.delayed},
          {"held", topic.processing},
          {"dead", topic.dead_letters},
          {"consumers", topic.consumers},
          {"produced", counters.produced},
          {"completed", counters.completed},
          {"retried", counters.retried},
          {"became_dead", counters.dead},
          {"expired", counters.expired},
          {"cancelled", counters.cancelled},
          {"recovered", counters.recovered},
          {"lease_lost", counters.lease_lost}};
}

ordered_json letter_json(const mx_rmq::DeadLetter& letter) {
  const mx_rmq::Message& message = letter.message;
  std::string payload = letter.raw.empty() ? message.payload.dump(2) : letter.raw;
  const bool cut = payload.size() > most_payload;
  if (cut) payload.resize(most_payload);
  return {{"id", message.id},           {"reason", letter.reason},
          {"error", letter.last_error}, {"dead_at", letter.dead_at},
          {"payload", payload},         {"payload_cut", cut},
          {"headers", message.headers}, {"group", normalised(letter.last_error)}};
}

Task<ordered_json> show_topic(RedisMessageQueue* queue, Call call) {
  const std::string topic = call.names.at("topic");
  std::vector<std::string> topics{topic};
  const mx_rmq::MetricsSnapshot snapshot = co_await queue->metrics().collect(std::move(topics));
  const mx_rmq::TopicSettings settings = co_await queue->settings(topic);
  ordered_json out = topic_json(topic, snapshot.topics.at(topic));
  out["partitions"] = settings.partitions().value_or(1);
  co_return out;
}

Task<ordered_json> list_dead(RedisMessageQueue* queue, Call call) {
  const std::string topic = call.names.at("topic");
  const std::vector<mx_rmq::DeadLetter> letters = co_await queue->dead_letters().list(
      topic, call.numbers.at("offset"), call.numbers.at("limit"));
  ordered_json out = ordered_json::array();
  for (const auto& each : letters) out.push_back(letter_json(each));
  co_return ordered_json{{"letters", std::move(out)}};
}

// By normalised error, over the newest `window`.
Task<ordered_json> group_dead(RedisMessageQueue* queue, Call call) {
  const std::string topic = call.names.at("topic");
  const std::int64_t window = call.numbers.at("window");
  struct Group {
    std::int64_t count = 0, newest = 0;
    std::string sample, reason;
  };
  std::map<std::string, Group> groups;
  std::int64_t seen = 0;
  while (seen < window) {
    const std::int64_t step = std::min<std::int64_t>(200, window - seen);
    const std::vector<mx_rmq::DeadLetter> letters =
        co_await queue->dead_letters().list(topic, seen, step);
    for (const auto& each : letters) {
      Group& group = groups[normalised(each.last_error)];
      if (group.count++ == 0) group = {1, each.dead_at, each.message.id, each.reason};
    }
    seen += static_cast<std::int64_t>(letters.size());
    if (static_cast<std::int64_t>(letters.size()) < step) break;
  }
  std::vector<std::pair<std::string, Group>> sorted(groups.begin(), groups.end());
  std::ranges::stable_sort(sorted, std::ranges::greater(),
                           [](const auto& each) { return each.second.count; });
  ordered_json out = ordered_json::array();
  for (const auto& [error, group] : sorted)
    out.push_back({{"error", error},
                   {"count", group.count},
                   {"newest", group.newest},
                   {"reason", group.reason},
                   {"sample", group.sample}});
  co_return ordered_json{{"looked_at", seen}, {"groups", std::move(out)}};
}

Task<ordered_json> show_dead(RedisMessageQueue* queue, Call call) {
  const std::string topic = call.names.at("topic");
  const std::string id = call.names.at("id");
  const std::optional<mx_rmq::DeadLetter> letter = co_await queue->dead_letters().get(topic, id);
  if (!letter) co_return ordered_json(nullptr);
  co_return letter_json(*letter);
}

Task<ordered_json> show_overview(RedisMessageQueue* queue, Call) { return overview(queue); }

Task<ordered_json> diagnose(RedisMessageQueue* queue, Call) {
  const std::vector<mx_rmq::Finding> findings = co_await queue->admin().diagnose();
  constexpr const char* levels[] = {"good", "note", "warning", "critical"};
  ordered_json out = ordered_json::array();
  for (const auto& each : findings)
    out.push_back({{"level", levels[static_cast<int>(each.level)]},
                   {"server", each.server},
                   {"subject", each.subject},
                   {"seen", each.seen},
                   {"remedy", each.remedy}});
  co_return ordered_json{{"findings", std::move(out)}};
}

// "%2F" and so on; nothing for what is no encoding.
std::optional<std::string> decoded(std::string_view part) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  std::string out;
  for (std::size_t i = 0; i < part.size(); ++i) {
    if (part[i] != '%') {
      out += part[i];
      continue;
    }
    if (part.size() - i < 3) return std::nullopt;
    const int high = digit(part[i + 1]);
    const int low = digit(part[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

}  // namespace

Task<ordered_json> overview(RedisMessageQueue* queue) {
  std::vector<std::string> topics = co_await queue->admin().topics();
  const mx_rmq::MetricsSnapshot snapshot = co_await queue->metrics().collect(std::move(topics));
  ordered_json out = ordered_json::array();
  for (const auto& [name, each] : snapshot.topics) out.push_back(topic_json(name, each));
  co_return ordered_json{{"topics", std::move(out)}};
}

std::span<const Route> routes() {
  static const std::vector<Route> all{
      {"/api/v1/overview", Needs::session, "All topics in numbers.", {}, show_overview},
      {"/api/v1/topics/{topic}", Needs::session, "One topic in numbers.", {}, show_topic},
      {"/api/v1/topics/{topic}/dead",
       Needs::session,
       "A page of dead letters, the newest first.",
       {{"offset", 0, 10'000'000, 0, "so many of the newest are left out"},
        {"limit", 1, 200, 50, "at most so many"}},
       list_dead},
      {"/api/v1/topics/{topic}/dead-groups",
       Needs::session,
       "Dead letters counted by error; numbers, ids and quoted parts do not tell errors apart.",
       {{"window", 1, 100'000, 1'000, "so many of the newest are looked at"}},
       group_dead},
      {"/api/v1/topics/{topic}/dead/{id}",
       Needs::session,
       "One dead letter; null if there is none.",
       {},
       show_dead},
      {"/api/v1/doctor", Needs::session, "What a service would trip over.", {}, diagnose},
  };
  return all;
}

const Route* find_route(const std::string& path, std::map<std::string, std::string>* names) {
  const auto next = [](std::string_view* rest) {
    const std::size_t end = rest->find('/', 1);
    const std::string_view part = rest->substr(0, end);
    rest->remove_prefix(part.size());
    return part.empty() ? part : part.substr(1);
  };
  for (const Route& route : routes()) {
    std::string_view pattern = route.path;
    std::string_view rest = path;
    names->clear();
    bool fits = path.starts_with('/');
    while (fits && !pattern.empty()) {
      const std::string_view expected = next(&pattern);
      const std::string_view part = next(&rest);
      if (expected.starts_with('{') && !part.empty()) {
        const std::optional<std::string> name = decoded(part);
        fits = name.has_value();
        if (fits) names->emplace(expected.substr(1, expected.size() - 2), *name);
      } else {
        fits = part == expected;
      }
    }
    if (fits && rest.empty()) return &route;
  }
  return nullptr;
}

std::map<std::string, std::int64_t> read_numbers(const Route& route,
                                                 const std::map<std::string, std::string>& query) {
  std::map<std::string, std::int64_t> numbers;
  for (const Parameter& each : route.parameters) numbers[each.name] = each.otherwise;
  for (const auto& [name, text] : query) {
    const auto found = std::ranges::find_if(
        route.parameters, [&name](const Parameter& each) { return name == each.name; });
    if (found == route.parameters.end())
      throw std::invalid_argument("there is no parameter \"" + name + "\"");
    std::int64_t value = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool whole = read.ec == std::errc() && read.ptr == text.data() + text.size();
    if (!whole || value < found->least || value > found->most)
      throw std::invalid_argument(name + " must be a number from " + std::to_string(found->least) +
                                  " to " + std::to_string(found->most));
    numbers[name] = value;
  }
  return numbers;
}

}  // namespace mxrmq::web
