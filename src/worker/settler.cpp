#include "worker/settler.hpp"

#include <algorithm>
#include <utility>

namespace mx_rmq::worker {
namespace {

// Acks are tags only; the others carry heads or move bodies inside Redis, so a call of them is kept
// short.
constexpr std::size_t kMostAcks = 1000;
constexpr std::size_t kMostOthers = 100;

bool same_call(const Settlement& a, const Settlement& b) {
  return a.kind == b.kind && (a.kind != Settlement::Kind::ack || a.ack == b.ack) &&
         a.delivery->incarnation == b.delivery->incarnation;
}

}  // namespace

std::vector<Settlement> Settler::next_group() {
  std::vector<Settlement> group;
  std::deque<Settlement> rest;
  for (auto& each : waiting_) {
    const std::size_t most = each.kind == Settlement::Kind::ack ? kMostAcks : kMostOthers;
    if (!owner_.holds(*each.delivery)) {
      owner_.refused(each);
    } else if (group.empty() || (group.size() < most && same_call(group.front(), each))) {
      group.push_back(std::move(each));
    } else {
      rest.push_back(std::move(each));
    }
  }
  waiting_ = std::move(rest);
  return group;
}

Task<> Settler::flush() {
  while (!waiting_.empty()) {
    std::vector<Settlement> group = next_group();
    if (group.empty()) continue;
    const bool done = co_await owner_.carry_out(std::move(group));
    if (!done) co_return;
  }
}

}  // namespace mx_rmq::worker
