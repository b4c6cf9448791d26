#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "broker/data/tag.hpp"

namespace mx_rmq::worker {

struct Delivery;

/// The messages that a consumer holds, by tag: a row a claim, so that a message costs neither an
/// allocation nor a hash of its own. Pure. Thread: one.
class Held {
 public:
  struct Entry {
    std::shared_ptr<Delivery> item;
    bool settling = false;
    bool held = false;
  };

  /// `tag` must not be held.
  void add(broker::Tag tag, std::shared_ptr<Delivery> item) {
    assert(tag.index > 0 && "messages of a claim are numbered from 1");
    assert(!contains(tag) && "a tag is held once");
    Row& row = rows_[tag.claim];
    if (row.entries.size() < tag.index) row.entries.resize(tag.index);
    row.entries[tag.index - 1] = Entry{std::move(item), false, true};
    ++row.left;
    ++size_;
  }
  /// Null if it is not held. Valid until the next change.
  [[nodiscard]] Entry* find(broker::Tag tag) noexcept {
    const auto row = rows_.find(tag.claim);
    if (row == rows_.end() || tag.index == 0 || tag.index > row->second.entries.size())
      return nullptr;
    Entry& entry = row->second.entries[tag.index - 1];
    return entry.held ? &entry : nullptr;
  }
  [[nodiscard]] bool contains(broker::Tag tag) const noexcept {
    return const_cast<Held*>(this)->find(tag) != nullptr;
  }
  /// Nothing happens if it is not held.
  void erase(broker::Tag tag) noexcept {
    Entry* const entry = find(tag);
    if (entry == nullptr) return;
    *entry = Entry{};
    --size_;
    const auto row = rows_.find(tag.claim);
    if (--row->second.left == 0) rows_.erase(row);
  }
  /// Nothing of that claim is held any more.
  void erase_claim(std::uint64_t claim) noexcept {
    const auto row = rows_.find(claim);
    if (row == rows_.end()) return;
    size_ -= row->second.left;
    rows_.erase(row);
  }
  void clear() noexcept {
    rows_.clear();
    size_ = 0;
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }

  /// Calls `visit(tag, entry)` for each, in no particular order.
  template <class Visit>
  void each(Visit visit) const {
    for (const auto& [claim, row] : rows_) {
      for (std::uint32_t i = 0; i < row.entries.size(); ++i)
        if (row.entries[i].held) visit(broker::Tag{claim, i + 1}, row.entries[i]);
    }
  }

 private:
  struct Row {
    std::vector<Entry> entries;  // by index, from 1
    std::size_t left = 0;
  };

  std::unordered_map<std::uint64_t, Row> rows_;
  std::size_t size_ = 0;
};

}  // namespace mx_rmq::worker
