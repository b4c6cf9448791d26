#include "worker/local_queue.hpp"

#include <algorithm>
#include <cassert>
#include <iterator>
#include <utility>

#include "worker/delivery.hpp"

namespace mx_rmq::worker {

void LocalQueue::push(TopicId topic, std::size_t level, Item&& item) {
  assert(level < level_count && "there are as many levels as priorities");
  if (topic >= topics_.size()) topics_.resize(topic + 1);
  Lines& lines = topics_[topic];
  auto& line = lines.levels[level];
  auto& turns = turns_[level];
  const std::size_t bytes = item->bytes.size();
  if (line.empty()) turns.push_back(topic);
  try {
    line.push_back(std::move(item));
  } catch (...) {
    if (line.empty()) turns.pop_back();
    throw;
  }
  ++lines.size;
  bytes_ += bytes;
  size_is(size() + 1);
}

LocalQueue::Item LocalQueue::pop(const std::function<bool(TopicId)>& may_run,
                                 std::optional<TopicId> again) {
  for (std::size_t level = 0; level < level_count; ++level) {
    auto& turns = turns_[level];
    if (again) {
      // It was put at the end: this is where it is looked for first.
      const auto last = std::find(turns.rbegin(), turns.rend(), *again);
      if (last != turns.rend() && may_run(*again)) return take(level, std::next(last).base());
    }
    for (auto turn = turns.begin(); turn != turns.end(); ++turn) {
      if (may_run(*turn)) return take(level, turn);
    }
  }
  return nullptr;
}

LocalQueue::Item LocalQueue::take(std::size_t level, std::deque<TopicId>::iterator turn) {
  auto& turns = turns_[level];
  const TopicId topic = *turn;
  Lines& lines = topics_[topic];
  auto& line = lines.levels[level];
  Item item = std::move(line.front());
  line.pop_front();
  --lines.size;
  bytes_ -= item->bytes.size();
  size_is(size() - 1);
  if (turns.size() > 1 || line.empty()) {
    turns.erase(turn);
    if (!line.empty()) turns.push_back(topic);
  }
  return item;
}

std::vector<LocalQueue::Item> LocalQueue::take_all() {
  std::vector<Item> all;
  all.reserve(size());
  while (Item item = pop([](TopicId) { return true; })) all.push_back(std::move(item));
  return all;
}

std::vector<LocalQueue::Item> LocalQueue::take_if(
    const std::function<bool(const Delivery&)>& which) {
  std::vector<Item> taken;
  for (std::size_t level = 0; level < level_count; ++level) {
    for (const TopicId topic : turns_[level]) {
      Lines& lines = topics_[topic];
      auto& line = lines.levels[level];
      std::deque<Item> kept;
      for (auto& item : line) {
        if (which(*item)) {
          bytes_ -= item->bytes.size();
          taken.push_back(std::move(item));
        } else {
          kept.push_back(std::move(item));
        }
      }
      lines.size -= line.size() - kept.size();
      size_is(size() - (line.size() - kept.size()));
      line = std::move(kept);
    }
    std::erase_if(turns_[level],
                  [&](TopicId topic) { return topics_[topic].levels[level].empty(); });
  }
  return taken;
}

std::size_t LocalQueue::size(TopicId topic) const {
  return topic < topics_.size() ? topics_[topic].size : 0;
}

}  // namespace mx_rmq::worker
