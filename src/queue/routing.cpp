#include "queue/routing.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "broker/data/partitions.hpp"

namespace mx_rmq::queue {

namespace {

// Partitions that are looked at before one of them is taken.
constexpr int most_looks = 16;

// Whether the one is the better place than the other.
bool better(const Routing::Look& one, const Routing::Look& other) {
  if (one.ready != other.ready) return one.ready;
  return one.waiting + one.under_way < other.waiting + other.under_way;
}

}  // namespace

int Routing::pick(int active, std::size_t messages,
                  const std::function<Look(int partition)>& look) {
  assert(active >= 1 && "a topic has a partition");
  if (current_ < active && taken_ < most_in_a_row) {
    const Look now = look(current_);
    if (now.ready && !now.idle() && now.waiting < most_in_a_row) {
      taken_ += messages;
      return current_;
    }
  }
  int best = (current_ + 1) % active;
  Look best_look = look(best);
  for (int i = 2; i <= std::min(active, most_looks) && !best_look.idle(); ++i) {
    const int next = (current_ + i) % active;
    const Look next_look = look(next);
    if (!better(next_look, best_look)) continue;
    best = next;
    best_look = next_look;
  }
  current_ = best;
  taken_ = messages;
  return best;
}

const std::string& Routing::tag(int partition) {
  const auto place = static_cast<std::size_t>(partition);
  if (tags_.size() <= place) tags_.resize(place + 1);
  std::string& tag = tags_[place];
  if (tag.empty()) tag = broker::partition_tag(topic_, partition);
  return tag;
}

}  // namespace mx_rmq::queue
