// Virtual time: what is to happen, in order. Nothing here waits.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "runtime/mono_clock.hpp"

namespace mx_rmq::sim {

using runtime::Duration;
using runtime::TimePoint;

class Scheduler {
 public:
  TimePoint now() const noexcept { return now_; }
  std::uint64_t events() const noexcept { return done_; }

  // Equal times in the order they were added; the past counts as now.
  void at(TimePoint due, std::function<void()> what) {
    heap_.push_back({std::max(due, now_), added_++, std::move(what)});
    std::push_heap(heap_.begin(), heap_.end(), later);
  }
  void after(Duration span, std::function<void()> what) { at(now_ + span, std::move(what)); }

  // Lets the next thing happen. False: there is nothing, or nothing before `limit`, which is the
  // time then.
  bool step(TimePoint limit) {
    if (heap_.empty() || heap_.front().due > limit) {
      now_ = std::max(now_, limit);
      return false;
    }
    std::pop_heap(heap_.begin(), heap_.end(), later);
    const Event event = std::move(heap_.back());
    heap_.pop_back();
    now_ = event.due;
    ++done_;
    event.run();
    return true;
  }

 private:
  struct Event {
    TimePoint due;
    std::uint64_t order;
    std::function<void()> run;
  };
  static bool later(const Event& a, const Event& b) noexcept {
    return a.due != b.due ? a.due > b.due : a.order > b.order;
  }

  TimePoint now_{};
  std::vector<Event> heap_;
  std::uint64_t added_ = 0;
  std::uint64_t done_ = 0;
};

}  // namespace mx_rmq::sim
