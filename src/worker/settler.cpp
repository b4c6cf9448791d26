#include "worker/settler.hpp"

#include <algorithm>
#include <iterator>

namespace mx_rmq::worker {
namespace {

// Acks are tags only; the others carry heads or move bodies inside Redis, so a call of them is kept
// short.
constexpr std::size_t most_acks = 1000;
constexpr std::size_t most_others = 100;

bool same_call(const Settlement& a, const Settlement& b) {
  return a.ending == b.ending && (a.ending != Ending::ack || a.ack == b.ack);
}

}  // namespace

bool Settler::holds(const Settlement& each) const {
  return lease_.holds(each.delivery->incarnation, each.delivery->tag);
}

void Settler::refuse_lost(std::vector<Settlement>& from) {
  const auto lost =
      std::ranges::stable_partition(from, [this](const Settlement& each) { return holds(each); });
  std::ranges::move(lost, std::back_inserter(refused_));
  from.erase(lost.begin(), lost.end());
}

const std::vector<Settlement>& Settler::next() {
  refuse_lost(group_);
  if (!group_.empty()) return group_;
  std::deque<Settlement> rest;
  for (auto& each : waiting_) {
    const std::size_t most = each.ending == Ending::ack ? most_acks : most_others;
    if (!holds(each)) {
      refused_.push_back(std::move(each));
    } else if (group_.empty() || (group_.size() < most && same_call(group_.front(), each))) {
      group_.push_back(std::move(each));
    } else {
      rest.push_back(std::move(each));
    }
  }
  waiting_ = std::move(rest);
  return group_;
}

std::vector<Settlement> Settler::answered() {
  std::vector<Settlement> settled = std::exchange(group_, {});
  std::erase_if(settled, [this](const Settlement& each) { return !holds(each); });
  return settled;
}

}  // namespace mx_rmq::worker
