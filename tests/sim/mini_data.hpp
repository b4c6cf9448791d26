// What a Redis holds, as plain C++ containers.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <variant>

namespace mx_rmq::sim {

using List = std::deque<std::string>;
using Hash = std::map<std::string, std::string, std::less<>>;
using Set = std::set<std::string, std::less<>>;

struct SortedSet {
  std::map<std::string, double, std::less<>> scores;
  std::set<std::pair<double, std::string>> order;  // by score, then by bytes

  bool empty() const noexcept { return scores.empty(); }
  // True if the member is new.
  bool put(const std::string& member, double score) {
    const auto [place, fresh] = scores.try_emplace(member, score);
    if (!fresh) {
      if (place->second == score) return false;
      order.erase({place->second, member});
      place->second = score;
    }
    order.emplace(score, member);
    return fresh;
  }
  bool remove(const std::string& member) {
    const auto found = scores.find(member);
    if (found == scores.end()) return false;
    order.erase({found->second, member});
    scores.erase(found);
    return true;
  }
};

struct Entry {
  std::variant<std::string, List, Hash, Set, SortedSet> data;
  std::int64_t expires_ms = 0;  // 0: never
};

using Keyspace = std::map<std::string, Entry, std::less<>>;

}  // namespace mx_rmq::sim
