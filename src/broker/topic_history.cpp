#include "broker/topic_history.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

namespace mx_rmq::broker {

Task<std::vector<SnapshotLine>> read_history(TopicBroker& broker, HistoryStep step,
                                             TimePoint deadline) {
  const bool minutes = step == HistoryStep::minute;
  const std::string& key = minutes ? broker.keys().history_1m : broker.keys().history_10m;
  const int most = minutes ? history_entries_1m : history_entries_10m;
  redis::Command command = redis::Command::of("LRANGE", key, -most, -1);
  redis::Reply reply = co_await broker.caller().plain(std::move(command), deadline);
  std::vector<SnapshotLine> out;
  for (redis::Reply& each : reply.as_array()) {
    const auto line = parse_snapshot(each.as_string());
    // In order, as another server's clock may have been ahead for a while.
    if (line && (out.empty() || out.back().at < line->at)) out.push_back(*line);
  }
  co_return out;
}

namespace {

void add_part(SnapshotLine& sum, const SnapshotLine& part) {
  for (std::size_t i = 0; i < sum.counters.size(); ++i) sum.counters[i] += part.counters[i];
  sum.waiting += part.waiting;
  sum.delayed += part.delayed;
  sum.dead_letters += part.dead_letters;
  sum.consumers = std::max(sum.consumers, part.consumers);  // who consumes one consumes all
  sum.oldest = std::max(sum.oldest, part.oldest);
}

}  // namespace

std::vector<SnapshotLine> merge_histories(const std::vector<std::vector<SnapshotLine>>& parts,
                                          std::int64_t from, std::int64_t to, std::int64_t step) {
  std::vector<SnapshotLine> out;
  std::optional<std::int64_t> first;
  for (const auto& part : parts)
    if (!part.empty()) first = std::min(first.value_or(part.front().at), part.front().at);
  if (!first) return out;
  std::vector<std::size_t> next(parts.size(), 0);  // of each the first that is later
  const std::int64_t begin = std::max((from + step - 1) / step * step, *first);
  for (std::int64_t at = begin; at <= to; at += step) {
    SnapshotLine& sum = out.emplace_back();
    sum.at = at;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      while (next[i] < parts[i].size() && parts[i][next[i]].at <= at) ++next[i];
      if (next[i] > 0) add_part(sum, parts[i][next[i] - 1]);
    }
  }
  return out;
}

}  // namespace mx_rmq::broker
