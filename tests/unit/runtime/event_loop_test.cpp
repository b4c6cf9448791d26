#include "runtime/event_loop.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <uv.h>

#include "mx_rmq/errors.hpp"

#include "loop_test.hpp"
#include "runtime/scope.hpp"
#include "support/wait.hpp"

namespace mx_rmq::test {
namespace {

using runtime::EventLoop;
using runtime::TimePoint;

class EventLoopTest : public LoopTest {};

TEST_F(EventLoopTest, CurrentIsTheLoopOfTheCallingThread) {
  EXPECT_EQ(EventLoop::current(), nullptr);
  EXPECT_FALSE(loop().on_loop_thread());
  EXPECT_EQ(call([] { return EventLoop::current(); }), &loop());
  EXPECT_TRUE(call([this] { return runtime_->on_loop_thread(); }));
}

TEST_F(EventLoopTest, PostsFromEightThreadsAllRunInOrderPerThread) {
  constexpr int threads = 8;
  constexpr int posts = 5'000;
  std::vector<int> last(threads, -1);  // loop thread only
  bool ordered = true;
  std::atomic<int> ran{0};
  Gate all;
  std::vector<std::thread> posters;
  for (int t = 0; t < threads; ++t) {
    posters.emplace_back([&, t] {
      for (int i = 0; i < posts; ++i) {
        loop().post([&, t, i] {
          ordered = ordered && last[static_cast<std::size_t>(t)] == i - 1;
          last[static_cast<std::size_t>(t)] = i;
          if (ran.fetch_add(1) + 1 == threads * posts) all.open();
        });
      }
    });
  }
  for (auto& poster : posters) poster.join();
  ASSERT_TRUE(all.wait());
  EXPECT_TRUE(call([&] { return ordered; }));
}

Task<std::thread::id> thread_on(EventLoop* loop) {
  co_await loop->schedule();
  co_return std::this_thread::get_id();
}

TEST_F(EventLoopTest, ScheduleGoesOnOnTheLoopThreadAndIsReadyThere) {
  EXPECT_NE(sync_wait(thread_on(&loop())), std::this_thread::get_id());
  EXPECT_TRUE(call([this] { return loop().schedule().await_ready(); }));
  EXPECT_FALSE(loop().schedule().await_ready());
}

TEST_F(EventLoopTest, DeferredWorkRunsInOrderAndNotInside) {
  std::vector<int> order;
  call([&] {
    loop().defer([&] { order.push_back(2); });
    loop().defer([&] { order.push_back(3); });
    order.push_back(1);
    return 0;
  });
  EXPECT_EQ(call([&] { return order; }), (std::vector{1, 2, 3}));
}

TEST_F(EventLoopTest, WorkThatPostsItselfForEverDoesNotKeepTimersOut) {
  std::atomic<bool> stop{false};
  std::function<void()> again = [&] {
    if (!stop) loop().defer(again);
  };
  Gate fired;
  loop().post([&] {
    loop().call_at(loop().now() + 5ms, [&] { fired.open(); });
    again();
  });
  EXPECT_TRUE(fired.wait());
  stop = true;
  call([] { return 0; });
}

TEST_F(EventLoopTest, TimersRunInOrderNeverEarly) {
  struct Fired {
    int name;
    TimePoint due, at;
  };
  std::vector<Fired> fired;
  Gate all;
  loop().post([&] {
    const TimePoint start = loop().now();
    for (const int ms : {25, 3, 12, 3, 0, 7}) {
      const TimePoint due = start + std::chrono::microseconds(ms * 1000 + 300);
      loop().call_at(due, [&, ms, due] {
        fired.push_back({ms, due, loop().now()});
        if (fired.size() == 6) all.open();
      });
    }
  });
  ASSERT_TRUE(all.wait());
  call([&] {
    int previous = -1;
    for (const Fired& timer : fired) {
      EXPECT_GE(timer.name, previous);
      EXPECT_GE(timer.at, timer.due);
      previous = timer.name;
    }
    return 0;
  });
}

TEST_F(EventLoopTest, ACancelledTimerNeverRunsAlsoWhenAlreadyDue) {
  std::atomic<int> ran{0};
  Gate done;
  loop().post([&] {
    const TimePoint now = loop().now();
    const auto pending = loop().call_at(now + 1h, [&] { ++ran; });
    EXPECT_TRUE(loop().cancel(pending));
    EXPECT_FALSE(loop().cancel(pending));
    // Both are due in one turn, and the first to run cancels the second.
    auto second = std::make_shared<runtime::TimerId>();
    loop().call_at(now, [&, second] {
      EXPECT_TRUE(loop().cancel(*second));
      loop().call_at(loop().now() + 1ms, [&] { done.open(); });
    });
    *second = loop().call_at(now, [&] { ++ran; });
  });
  ASSERT_TRUE(done.wait());
  EXPECT_EQ(ran, 0);
}

TEST_F(EventLoopTest, FlushHooksRunAfterEachDrainAndMayAddAndRemoveHooks) {
  int items = 0;
  int seen = 0;
  int once_runs = 0;
  int added_runs = 0;
  runtime::FlushHookId watcher;
  runtime::FlushHookId once;
  runtime::FlushHookId added;
  call([&] {
    watcher = loop().add_flush_hook([&] { seen = items; });
    once = loop().add_flush_hook([&] {
      ++once_runs;
      loop().remove_flush_hook(once);
      added = loop().add_flush_hook([&] { ++added_runs; });
    });
    loop().defer([&] { items = 1; });
    loop().defer([&] { items = 2; });
    return 0;
  });
  // Each call is in a later drain than the hooks of the one before.
  EXPECT_EQ(call([&] { return seen; }), 2);
  call([&] {
    EXPECT_EQ(once_runs, 1);
    EXPECT_GE(added_runs, 1);
    loop().remove_flush_hook(watcher);
    loop().remove_flush_hook(added);
    items = 3;
    return 0;
  });
  EXPECT_EQ(call([&] { return seen; }), 2);
}

TEST_F(EventLoopTest, ExceptionsOfCallbacksReachTheHandlerAndTheLoopGoesOn) {
  loop().post([] { throw std::runtime_error("from a callback"); });
  loop().post(
      [this] { loop().call_at(loop().now(), [] { throw std::runtime_error("from a timer"); }); });
  Gate after;
  loop().post([&] { loop().call_at(loop().now() + 2ms, [&] { after.open(); }); });
  ASSERT_TRUE(after.wait());
  EXPECT_EQ(take_errors(), (std::vector<std::string>{"from a callback", "from a timer"}));
  EXPECT_EQ(loop().reported_errors(), 2U);
}

TEST_F(EventLoopTest, StalledForGrowsOnlyWhileTheLoopIsBlocked) {
  Gate blocked;
  Gate release;
  loop().post([&] {
    blocked.open();
    release.wait();
  });
  ASSERT_TRUE(blocked.wait());
  EXPECT_TRUE(wait_for(30s, [&] { return runtime_->stalled_for() >= 20ms; }));
  const TimePoint last = loop().last_turn();
  release.open();
  EXPECT_TRUE(wait_for(30s, [&] { return runtime_->stalled_for() == 0ms; }));
  EXPECT_GT(loop().last_turn(), last);
}

Task<> yields(std::vector<int>* order, int name, EventLoop* loop) {
  order->push_back(name);
  co_await loop->yield();
  order->push_back(name + 10);
}

Task<> post_two(std::vector<int>* order, EventLoop* loop) {
  loop->defer([order] { order->push_back(5); });
  co_await yields(order, 1, loop);
}

TEST_F(EventLoopTest, YieldLetsOthersGoFirst) {
  std::vector<int> order;
  run(post_two(&order, &loop()));
  EXPECT_EQ(order, (std::vector{1, 5, 11}));
}

Task<> goes_on_later(std::vector<int>* order, EventLoop* loop) {
  const runtime::FlushHookId hook = loop->add_flush_hook([order] {
    if (order->back() != 5) order->push_back(5);
  });
  order->push_back(1);
  const std::uint64_t drain = loop->drains();
  co_await loop->yield();
  order->push_back(loop->drains() == drain ? 2 : -2);
  co_await loop->next_turn();
  order->push_back(loop->drains() == drain ? -3 : 3);
  loop->remove_flush_hook(hook);
}

TEST_F(EventLoopTest, TheNextTurnComesAfterTheWritesOfThisOne) {
  std::vector<int> order;
  run(goes_on_later(&order, &loop()));
  EXPECT_EQ(order, (std::vector{1, 2, 5, 3}));
}

TEST_F(EventLoopTest, WhatWaitsForTheNextTurnAtTheEndStillRuns) {
  std::atomic<int> ran{0};
  EventLoop own;
  const auto two_turns = [](EventLoop* loop, std::atomic<int>* count) -> Task<> {
    co_await loop->next_turn();
    co_await loop->next_turn();
    ++*count;
  };
  runtime::Scope scope(own, [](std::exception_ptr) {});
  own.post([&] { scope.spawn(two_turns(&own, &ran)); });
  own.begin_shutdown();
  own.finish(1s);
  std::thread thread([&] { own.run(); });
  thread.join();
  EXPECT_EQ(ran, 1);
}

TEST_F(EventLoopTest, APostAfterTheEndThrowsShutdownError) {
  EventLoop own;
  std::thread thread([&] { own.run(); });
  own.begin_shutdown();
  own.finish(1s);
  thread.join();
  EXPECT_THROW(own.post([] {}), ShutdownError);
  EXPECT_THROW(sync_wait(thread_on(&own)), ShutdownError);
}

TEST_F(EventLoopTest, WorkPostedBeforeTheEndStillRuns) {
  std::atomic<int> ran{0};
  EventLoop own;
  std::thread thread([&] { own.run(); });
  for (int i = 0; i < 10'000; ++i) own.post([&] { ++ran; });
  own.begin_shutdown();
  own.post([&] { own.defer([&] { own.defer([&] { ++ran; }); }); });
  own.finish(1s);
  thread.join();
  EXPECT_EQ(ran, 10'001);
}

TEST_F(EventLoopTest, ALoopThatNeverRanFreesItself) { const EventLoop own; }

/// A clock that the test sets.
class ManualClock final : public runtime::Clock {
 public:
  TimePoint now() const noexcept override {
    return TimePoint(runtime::Duration(ns.load(std::memory_order_relaxed)));
  }
  std::atomic<std::int64_t> ns{1'000'000'000};
};

TEST_F(EventLoopTest, TimersFollowTheClockSeam) {
  ManualClock clock;
  EventLoop own(clock);
  std::thread thread([&] { own.run(); });
  Gate first;
  std::atomic<bool> ran{false};
  own.post([&] {
    own.call_at(own.now() + 1h, [&] {
      ran = true;
      first.open();
    });
  });
  Gate turned;
  own.post([&] { turned.open(); });
  ASSERT_TRUE(turned.wait());
  EXPECT_FALSE(ran);
  clock.ns += std::chrono::nanoseconds(1h).count();
  own.post([] {});  // a turn
  EXPECT_TRUE(first.wait());
  own.begin_shutdown();
  own.finish(1s);
  thread.join();
}

TEST_F(EventLoopTest, HandlesThatNobodyClosedAreClosedAfterTheGrace) {
  EventLoop own;
  std::thread thread([&] { own.run(); });
  uv_timer_t forgotten;
  own.post([&] { ::uv_timer_init(own.uv(), &forgotten); });
  const auto start = runtime::MonoClock::now();
  own.begin_shutdown();
  own.finish(20ms);
  thread.join();
  EXPECT_GE(runtime::MonoClock::now() - start, 20ms);
  EXPECT_TRUE(::uv_is_closing(reinterpret_cast<uv_handle_t*>(&forgotten)));
}

TEST_F(EventLoopTest, TheEndWaitsForHandlesThatAreStillBeingClosed) {
  EventLoop own;
  std::thread thread([&] { own.run(); });
  uv_timer_t timer;
  bool closed = false;
  bool ran_after = false;
  timer.data = &closed;
  own.post([&] { ::uv_timer_init(own.uv(), &timer); });
  own.begin_shutdown();
  own.finish(30s);
  own.post([&] {
    ::uv_close(reinterpret_cast<uv_handle_t*>(&timer),
               [](uv_handle_t* handle) { *static_cast<bool*>(handle->data) = true; });
    own.defer([&] { ran_after = true; });
  });
  thread.join();
  EXPECT_TRUE(closed);
  EXPECT_TRUE(ran_after);
}

}  // namespace
}  // namespace mx_rmq::test
