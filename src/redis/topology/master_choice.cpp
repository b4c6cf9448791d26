#include "redis/topology/master_choice.hpp"

#include <algorithm>

namespace mx_rmq::redis {

bool MasterChoice::add(const SentinelWord& word) {
  words_.push_back(word);
  return word.config_epoch && *word.config_epoch >= known_ && word.master != avoid_;
}

std::size_t MasterChoice::votes(const api::HostPort& master) const {
  return static_cast<std::size_t>(std::ranges::count(words_, master, &SentinelWord::master));
}

bool MasterChoice::better(const SentinelWord& one, const SentinelWord& other) const {
  const bool avoided = one.master == avoid_;
  if (avoided != (other.master == avoid_)) return !avoided;
  if (one.config_epoch != other.config_epoch) return one.config_epoch > other.config_epoch;
  return votes(one.master) > votes(other.master);
}

std::optional<std::size_t> MasterChoice::best() const {
  if (words_.empty()) return std::nullopt;
  std::size_t best = 0;
  for (std::size_t i = 1; i < words_.size(); ++i) {
    if (better(words_[i], words_[best])) best = i;
  }
  return best;
}

}  // namespace mx_rmq::redis
