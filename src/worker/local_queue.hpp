#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace mx_rmq::worker {

struct Delivery;

/// What was claimed and has not started: by priority, and within a priority by topic in turn, so
/// that no topic waits behind another one's backlog. First in first out within a topic and
/// priority. Topics are numbered from 0 without gaps. Pure; the bound is kept by whoever claims.
/// Thread: one, but for size().
class LocalQueue {
 public:
  using Item = std::shared_ptr<Delivery>;
  using TopicId = std::size_t;

  static constexpr std::size_t level_count = 3;

  /// `level` 0 goes first. `item` is taken only if nothing was thrown.
  void push(TopicId topic, std::size_t level, Item&& item);

  /// The next item of a topic for which `may_run` is true; null if there is none. `again`: the
  /// topic that had the last turn, if it is to have this one too.
  [[nodiscard]] Item pop(const std::function<bool(TopicId)>& may_run,
                         std::optional<TopicId> again = std::nullopt);

  /// Takes everything out, in the order it would be popped if every topic could run.
  [[nodiscard]] std::vector<Item> take_all();
  /// Takes out what `which` is true for.
  std::vector<Item> take_if(const std::function<bool(const Delivery&)>& which);

  /// Any thread.
  [[nodiscard]] std::size_t size() const noexcept { return size_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::size_t size(TopicId topic) const;
  /// Of their envelopes.
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

 private:
  [[nodiscard]] Item take(std::size_t level, std::deque<TopicId>::iterator turn);
  void size_is(std::size_t size) noexcept { size_.store(size, std::memory_order_relaxed); }

  struct Lines {
    std::array<std::deque<Item>, level_count> levels;
    std::size_t size = 0;
  };

  std::vector<Lines> topics_;  // by id
  // Topics of which a level has something, the one whose turn is next in front.
  std::array<std::deque<TopicId>, level_count> turns_;
  std::atomic<std::size_t> size_{0};
  std::size_t bytes_ = 0;
};

}  // namespace mx_rmq::worker
