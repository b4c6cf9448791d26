#include "runtime/hand_driven.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "mx_rmq/errors.hpp"
#include "mx_rmq/task.hpp"
#include "runtime/scope.hpp"

namespace mx_rmq::runtime {
namespace {

using namespace std::chrono_literals;

class HandClock final : public Clock {
 public:
  TimePoint now() const noexcept override { return time; }
  TimePoint time{100h};
};

Task<> sleep_thrice(std::vector<TimePoint>* woken) {
  EventLoop* const loop = EventLoop::current();
  for (int i = 1; i <= 3; ++i) {
    co_await sleep_for(i * 10s);
    woken->push_back(loop->now());
  }
}

TEST(HandDriven, RunsWhenItsClockSaysSoAndOnTheCallersThread) {
  HandClock clock;
  const auto runtime = make_hand_driven(clock);
  EventLoop& loop = runtime->event_loop();
  Scope scope(loop, [](const std::exception_ptr&) { ADD_FAILURE(); });
  std::vector<TimePoint> woken;
  loop.post([&] {
    EXPECT_TRUE(loop.on_loop_thread());
    scope.spawn(sleep_thrice(&woken));
  });
  EXPECT_FALSE(loop.on_loop_thread());
  const TimePoint start = clock.time;
  while (loop.turn()) {
  }
  EXPECT_FALSE(loop.turn());
  EXPECT_TRUE(woken.empty());
  while (const auto next = loop.next_timer()) {
    clock.time = *next;
    while (loop.turn()) {
    }
  }
  EXPECT_EQ(woken, (std::vector{start + 10s, start + 30s, start + 60s}));
  EXPECT_EQ(loop.live_tasks(), 0);
}

TEST(HandDriven, EndsWhatStillWaitsAndTakesNoMore) {
  HandClock clock;
  auto runtime = make_hand_driven(clock);
  EventLoop& loop = runtime->event_loop();
  int ended = 0;
  Scope scope(loop, [&ended](const std::exception_ptr& error) {
    EXPECT_THROW(std::rethrow_exception(error), ShutdownError);
    ++ended;
  });
  std::vector<TimePoint> woken;
  loop.post([&] { scope.spawn(sleep_thrice(&woken)); });
  while (loop.turn()) {
  }
  EXPECT_EQ(scope.size(), 1U);
  runtime.reset();
  EXPECT_EQ(ended, 1);
  EXPECT_TRUE(woken.empty());
}

TEST(HandDriven, SeveralTakeTurnsOnOneThread) {
  HandClock clock;
  const auto one = make_hand_driven(clock);
  const auto two = make_hand_driven(clock);
  std::vector<int> order;
  one->event_loop().post([&] {
    order.push_back(1);
    two->event_loop().post([&] { order.push_back(2); });
  });
  one->event_loop().turn();
  EXPECT_EQ(order, std::vector{1}) << "what is posted to another loop waits for its turn";
  two->event_loop().turn();
  EXPECT_EQ(order, (std::vector{1, 2}));
}

}  // namespace
}  // namespace mx_rmq::runtime
