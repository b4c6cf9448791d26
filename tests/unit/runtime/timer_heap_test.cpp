#include "runtime/timer_heap.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <vector>

#include <gtest/gtest.h>

namespace mx_rmq::runtime {
namespace {

using namespace std::chrono_literals;

TimePoint at(int ms) { return TimePoint(std::chrono::milliseconds(ms)); }

/// Runs what is due at a time that the test makes up.
void fire(TimerHeap& heap, int now) {
  std::vector<TimerId> due;
  while (const auto id = heap.pop_due(at(now))) due.push_back(*id);
  for (const TimerId id : due) {
    if (const auto callback = heap.take(id)) callback();
  }
}

TEST(TimerHeap, RunsInOrderOfDueTimeAndNeverEarly) {
  TimerHeap heap;
  std::vector<int> ran;
  for (const int ms : {30, 10, 20}) heap.add(at(ms), [&ran, ms] { ran.push_back(ms); });
  EXPECT_EQ(heap.next(), at(10));
  fire(heap, 9);
  EXPECT_TRUE(ran.empty());
  fire(heap, 20);
  EXPECT_EQ(ran, (std::vector{10, 20}));
  EXPECT_EQ(heap.next(), at(30));
  fire(heap, 1000);
  EXPECT_EQ(ran, (std::vector{10, 20, 30}));
  EXPECT_EQ(heap.next(), std::nullopt);
}

TEST(TimerHeap, EqualTimesRunInTheOrderTheyWereAdded) {
  TimerHeap heap;
  std::vector<int> ran;
  for (int i = 0; i < 50; ++i) heap.add(at(5), [&ran, i] { ran.push_back(i); });
  fire(heap, 5);
  EXPECT_EQ(ran.size(), 50U);
  EXPECT_TRUE(std::is_sorted(ran.begin(), ran.end()));
}

TEST(TimerHeap, CancelledNeverRuns) {
  TimerHeap heap;
  int ran = 0;
  const TimerId id = heap.add(at(1), [&] { ++ran; });
  EXPECT_TRUE(heap.cancel(id));
  EXPECT_FALSE(heap.cancel(id));
  fire(heap, 10);
  EXPECT_EQ(ran, 0);
  EXPECT_EQ(heap.pending(), 0U);
}

TEST(TimerHeap, CanBeCancelledWhenDueUntilTheCallbackIsTaken) {
  TimerHeap heap;
  heap.add(at(1), [] {});
  const auto due = heap.pop_due(at(1));
  ASSERT_TRUE(due);
  EXPECT_TRUE(heap.cancel(*due));
  EXPECT_FALSE(heap.take(*due));

  heap.add(at(1), [] {});
  const auto again = heap.pop_due(at(1));
  ASSERT_TRUE(again);
  EXPECT_TRUE(heap.take(*again));
  EXPECT_FALSE(heap.cancel(*again));
}

TEST(TimerHeap, CancelFreesWhatTheCallbackHolds) {
  TimerHeap heap;
  auto held = std::make_shared<int>(1);
  const TimerId id = heap.add(at(1), [held] {});
  EXPECT_EQ(held.use_count(), 2);
  heap.cancel(id);
  EXPECT_EQ(held.use_count(), 1);
}

TEST(TimerHeap, IdsAreNeverUsedTwice) {
  TimerHeap heap;
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 1000; ++i) {
    const TimerId id = heap.add(at(1), [] {});
    EXPECT_TRUE(seen.insert(id.value).second);
    heap.cancel(id);
  }
  heap.clear();
  EXPECT_TRUE(seen.insert(heap.add(at(1), [] {}).value).second);
}

TEST(TimerHeap, ACallbackMayAddAndCancelTimers) {
  TimerHeap heap;
  int ran = 0;
  TimerId other;
  heap.add(at(1), [&] {
    ++ran;
    heap.cancel(other);
    heap.add(at(2), [&] { ran += 10; });
  });
  other = heap.add(at(1), [&] { ran += 100; });
  fire(heap, 1);
  EXPECT_EQ(ran, 1);
  fire(heap, 2);
  EXPECT_EQ(ran, 11);
}

TEST(TimerHeap, ACancelledCallbackMayAddATimerWhenItIsDestroyed) {
  TimerHeap heap;
  struct AddsOnDestruction {
    TimerHeap* heap;
    ~AddsOnDestruction() {
      heap->add(at(5), [] {});
    }
  };
  auto last = std::make_shared<AddsOnDestruction>(&heap);
  const TimerId id = heap.add(at(1), [last] {});
  last.reset();
  EXPECT_TRUE(heap.cancel(id));
  EXPECT_EQ(heap.next(), at(5));
}

TEST(TimerHeap, AgreesWithAPlainModelUnderRandomUse) {
  std::mt19937 random(12345);
  TimerHeap heap;
  std::map<std::uint64_t, int> model;  // id -> due
  std::vector<std::uint64_t> ran;
  int now = 0;
  for (int step = 0; step < 20'000; ++step) {
    const auto choice = random() % 10;
    if (choice < 5) {
      const int due = now + static_cast<int>(random() % 100);
      auto id = std::make_shared<std::uint64_t>(0);
      *id = heap.add(at(due), [id, &ran] { ran.push_back(*id); }).value;
      model[*id] = due;
    } else if (choice < 8 && !model.empty()) {
      const auto victim = std::next(model.begin(), static_cast<long>(random() % model.size()));
      ASSERT_TRUE(heap.cancel(TimerId{victim->first}));
      model.erase(victim);
    } else {
      now += static_cast<int>(random() % 20);
      ran.clear();
      fire(heap, now);
      std::set<std::uint64_t> expected;
      for (const auto& [id, due] : model) {
        if (due <= now) expected.insert(id);
      }
      ASSERT_EQ(std::set<std::uint64_t>(ran.begin(), ran.end()), expected);
      ASSERT_TRUE(std::is_sorted(ran.begin(), ran.end(), [&](auto a, auto b) {
        return std::pair(model.at(a), a >> 24) < std::pair(model.at(b), b >> 24);
      }));
      for (const auto id : expected) model.erase(id);
    }
    ASSERT_EQ(heap.pending(), model.size());
  }
}

}  // namespace
}  // namespace mx_rmq::runtime
