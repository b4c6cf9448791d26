// Sorted sets.
#include <algorithm>
#include <iterator>

#include "mini_redis.hpp"

namespace mx_rmq::sim {
namespace {

using Order = std::set<std::pair<double, std::string>>;

Value zadd(MiniRedis& redis, const Arguments& c) {
  if (c.size() % 2 != 0) throw CommandError("ERR syntax error");
  std::vector<double> scores;
  for (std::size_t i = 2; i < c.size(); i += 2) scores.push_back(read_score(c[i]));
  SortedSet& data = redis.make<SortedSet>(c[1]);
  std::int64_t fresh = 0;
  for (std::size_t i = 2; i < c.size(); i += 2) fresh += data.put(c[i + 1], scores[i / 2 - 1]);
  return integer(fresh);
}

Value zrem(MiniRedis& redis, const Arguments& c) {
  SortedSet* const data = redis.find<SortedSet>(c[1]);
  if (data == nullptr) return integer(0);
  std::int64_t count = 0;
  for (std::size_t i = 2; i < c.size(); ++i) count += data->remove(c[i]);
  redis.drop_if_empty(c[1]);
  return integer(count);
}

Value zcard(MiniRedis& redis, const Arguments& c) {
  const SortedSet* const data = redis.find<SortedSet>(c[1]);
  return integer(data == nullptr ? 0 : static_cast<std::int64_t>(data->scores.size()));
}

Value zscore(MiniRedis& redis, const Arguments& c) {
  const SortedSet* const data = redis.find<SortedSet>(c[1]);
  if (data == nullptr) return nil();
  const auto found = data->scores.find(c[2]);
  return found == data->scores.end() ? nil() : bulk(write_score(found->second));
}

void add(std::vector<Value>& out, const std::pair<double, std::string>& each, bool scores) {
  out.push_back(bulk(each.second));
  if (scores) out.push_back(bulk(write_score(each.first)));
}

template <bool Reverse>
Value by_place(MiniRedis& redis, const Arguments& c) {
  bool scores = false;
  for (std::size_t i = 4; i < c.size(); ++i) {
    if (upper(c[i]) != "WITHSCORES") throw CommandError("ERR syntax error");
    scores = true;
  }
  std::int64_t start = read_integer(c[2]);
  std::int64_t stop = read_integer(c[3]);
  std::vector<Value> out;
  const SortedSet* const data = redis.find<SortedSet>(c[1]);
  if (data == nullptr) return array();
  const auto size = static_cast<std::int64_t>(data->order.size());
  if (start < 0) start = std::max<std::int64_t>(0, start + size);
  if (stop < 0) stop += size;
  stop = std::min(stop, size - 1);
  const auto walk = [&](auto at) {
    if (start > stop) return;
    std::advance(at, start);
    for (std::int64_t i = start; i <= stop; ++i, ++at) add(out, *at, scores);
  };
  if constexpr (Reverse) {
    walk(data->order.rbegin());
  } else {
    walk(data->order.begin());
  }
  return array(std::move(out));
}

struct Bound {
  double score = 0;
  bool open = false;
};

Bound read_bound(const std::string& text) {
  try {
    if (text.starts_with('(')) return {read_score(text.substr(1)), true};
    return {read_score(text), false};
  } catch (const CommandError&) {
    throw CommandError("ERR min or max is not a float");
  }
}

std::pair<Order::const_iterator, Order::const_iterator> between(const SortedSet& data,
                                                                const Bound& low,
                                                                const Bound& high) {
  const auto above = [](double bound, const auto& each) { return bound < each.first; };
  const auto below = [](const auto& each, double bound) { return each.first < bound; };
  const auto& order = data.order;
  const auto first = low.open ? std::upper_bound(order.begin(), order.end(), low.score, above)
                              : std::lower_bound(order.begin(), order.end(), low.score, below);
  const auto last = high.open ? std::lower_bound(order.begin(), order.end(), high.score, below)
                              : std::upper_bound(order.begin(), order.end(), high.score, above);
  if (low.score > high.score) return {order.end(), order.end()};
  if (low.score == high.score && (low.open || high.open)) return {order.end(), order.end()};
  return {first, last};
}

Value zrangebyscore(MiniRedis& redis, const Arguments& c) {
  bool scores = false;
  std::int64_t skip = 0;
  std::int64_t most = -1;
  for (std::size_t i = 4; i < c.size(); ++i) {
    const std::string option = upper(c[i]);
    if (option == "WITHSCORES") {
      scores = true;
    } else if (option == "LIMIT" && i + 2 < c.size()) {
      skip = read_integer(c[i + 1]);
      most = read_integer(c[i + 2]);
      i += 2;
    } else {
      throw CommandError("ERR syntax error");
    }
  }
  const Bound low = read_bound(c[2]);
  const Bound high = read_bound(c[3]);
  std::vector<Value> out;
  const SortedSet* const data = redis.find<SortedSet>(c[1]);
  if (data == nullptr || skip < 0) return array();
  for (auto [at, end] = between(*data, low, high); at != end && most != 0; ++at) {
    if (skip > 0) {
      --skip;
      continue;
    }
    add(out, *at, scores);
    --most;
  }
  return array(std::move(out));
}

Value zcount(MiniRedis& redis, const Arguments& c) {
  const Bound low = read_bound(c[2]);
  const Bound high = read_bound(c[3]);
  const SortedSet* const data = redis.find<SortedSet>(c[1]);
  if (data == nullptr) return integer(0);
  const auto [first, last] = between(*data, low, high);
  return integer(std::distance(first, last));
}

}  // namespace

void add_sorted_commands(CommandTable& table) {
  table["ZADD"] = {zadd, -4};
  table["ZREM"] = {zrem, -3};
  table["ZCARD"] = {zcard, 2};
  table["ZSCORE"] = {zscore, 3};
  table["ZCOUNT"] = {zcount, 4};
  table["ZRANGE"] = {by_place<false>, -4};
  table["ZREVRANGE"] = {by_place<true>, -4};
  table["ZRANGEBYSCORE"] = {zrangebyscore, -4};
}

}  // namespace mx_rmq::sim
