#include "worker/local_queue.hpp"

#include <algorithm>
#include <utility>

namespace mx_rmq::worker {

void LocalQueue::push(TopicId topic, std::size_t level, Item item) {
  auto& lines = levels_[level];
  auto line = std::find_if(lines.begin(), lines.end(),
                           [topic](const Line& each) { return each.topic == topic; });
  if (line == lines.end()) {
    lines.push_back(Line{topic, {}});
    line = std::prev(lines.end());
  }
  line->items.push_back(std::move(item));
  ++counts_[topic];
  ++size_;
}

LocalQueue::Item LocalQueue::pop(const std::function<bool(TopicId)>& may_run) {
  for (auto& lines : levels_) {
    for (auto line = lines.begin(); line != lines.end(); ++line) {
      if (!may_run(line->topic)) continue;
      Line chosen = std::move(*line);
      lines.erase(line);
      Item item = std::move(chosen.items.front());
      chosen.items.pop_front();
      const auto count = counts_.find(chosen.topic);
      if (--count->second == 0) counts_.erase(count);
      --size_;
      if (!chosen.items.empty()) lines.push_back(std::move(chosen));
      return item;
    }
  }
  return nullptr;
}

std::vector<LocalQueue::Item> LocalQueue::take_all() {
  std::vector<Item> all;
  all.reserve(size_);
  while (Item item = pop([](TopicId) { return true; })) all.push_back(std::move(item));
  return all;
}

std::vector<LocalQueue::Item> LocalQueue::take_if(
    const std::function<bool(const Delivery&)>& which) {
  std::vector<Item> taken;
  for (auto& lines : levels_) {
    for (auto& line : lines) {
      std::deque<Item> kept;
      for (auto& item : line.items) {
        if (!which(*item)) {
          kept.push_back(std::move(item));
          continue;
        }
        const auto count = counts_.find(line.topic);
        if (--count->second == 0) counts_.erase(count);
        --size_;
        taken.push_back(std::move(item));
      }
      line.items = std::move(kept);
    }
    std::erase_if(lines, [](const Line& line) { return line.items.empty(); });
  }
  return taken;
}

std::size_t LocalQueue::size(TopicId topic) const {
  const auto found = counts_.find(topic);
  return found == counts_.end() ? 0 : found->second;
}

}  // namespace mx_rmq::worker
