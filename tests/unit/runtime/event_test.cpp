#include "runtime/event.hpp"

#include <atomic>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "mx_rmq/errors.hpp"

#include "runtime/one_shot.hpp"
#include "runtime/scope.hpp"

#include "loop_test.hpp"
#include "support/wait.hpp"

namespace mx_rmq::test {
namespace {

using runtime::Event;
using runtime::EventLoop;
using runtime::OneShot;
using runtime::Scope;

class EventTest : public LoopTest {};
class OneShotTest : public LoopTest {};

void rethrow(std::exception_ptr error) { std::rethrow_exception(error); }

Task<> wait_and_note(Event* event, std::vector<int>* order, int name) {
  co_await event->wait();
  order->push_back(name);
}

Task<> set_wakes_in_order(EventLoop* loop) {
  Event event(*loop);
  Scope scope(*loop, rethrow);
  std::vector<int> order;
  for (int i = 0; i < 4; ++i) scope.spawn(wait_and_note(&event, &order, i));
  co_await loop->yield();
  EXPECT_TRUE(order.empty());
  event.set();
  EXPECT_TRUE(order.empty());  // never inside set()
  event.reset();               // who was woken stays woken
  co_await scope.join();
  const std::vector<int> expected{0, 1, 2, 3};
  EXPECT_EQ(order, expected);
  EXPECT_FALSE(event.is_set());
}

TEST_F(EventTest, SetWakesAllInOrderAndNotInside) { run(set_wakes_in_order(&loop())); }

Task<bool> already_set(EventLoop* loop) {
  Event event(*loop);
  event.set();
  co_await event.wait();
  co_return co_await event.wait_until(loop->now() - 1s);
}

TEST_F(EventTest, WaitOnASetEventGoesOnAtOnce) { EXPECT_TRUE(run(already_set(&loop()))); }

Task<> set_later(Event* event) {
  co_await sleep_for(2ms);
  event->set();
}

Task<> timeouts(EventLoop* loop) {
  Event event(*loop);
  const auto start = loop->now();
  const bool early = co_await event.wait_until(start + 5ms);
  EXPECT_FALSE(early);
  EXPECT_GE(loop->now(), start + 5ms);
  Scope scope(*loop, rethrow);
  scope.spawn(set_later(&event));
  const bool set = co_await event.wait_until(loop->now() + 1h);
  EXPECT_TRUE(set);
  co_await scope.join();
}

TEST_F(EventTest, WaitUntilTellsSetFromTimeout) { run(timeouts(&loop())); }

Task<> set_and_deadline_in_one_turn(EventLoop* loop) {
  for (int i = 0; i < 200; ++i) {
    Event event(*loop);
    const auto due = loop->now();
    // Due in the next turn; set in the same one: whichever is first, the waiter goes on once.
    loop->call_at(due, [&event] { event.set(); });
    co_await event.wait_until(due);
    EXPECT_TRUE(event.is_set());
  }
}

TEST_F(EventTest, SetAndDeadlineInOneTurnWakeOnce) { run(set_and_deadline_in_one_turn(&loop())); }

Task<> wait_expecting_shutdown(Event* event, int* told, bool timed, EventLoop* loop) {
  try {
    if (timed) {
      co_await event->wait_until(loop->now() + 1h);
    } else {
      co_await event->wait();
    }
  } catch (const ShutdownError&) {
    ++*told;
  }
}

Task<> destroyed_with_waiters(EventLoop* loop) {
  Scope scope(*loop, rethrow);
  int told = 0;
  {
    Event event(*loop);
    scope.spawn(wait_expecting_shutdown(&event, &told, false, loop));
    scope.spawn(wait_expecting_shutdown(&event, &told, true, loop));
    co_await loop->yield();
    co_await loop->yield();
  }
  co_await scope.join();
  EXPECT_EQ(told, 2);
}

TEST_F(EventTest, DestroyedEventResumesItsWaitersWithShutdownError) {
  run(destroyed_with_waiters(&loop()));
}

Task<> wait_long(Event* event, EventLoop* loop, std::atomic<bool>* waiting) {
  waiting->store(true);
  co_await event->wait_until(loop->now() + 1h);
}

TEST_F(EventTest, ATimedWaitIsToldWhenTheRuntimeEnds) {
  Event event(loop());
  std::atomic<bool> waiting{false};
  Task<> task = runtime::on_loop(loop(), wait_long(&event, &loop(), &waiting));
  std::thread waiter([&] { EXPECT_THROW(sync_wait(std::move(task)), ShutdownError); });
  EXPECT_TRUE(wait_for(30s, [&] { return waiting.load(); }));
  runtime_.reset();
  waiter.join();
}

Task<> wait_without_a_deadline(Event* event, std::atomic<bool>* waiting) {
  waiting->store(true);
  co_await event->wait();
}

TEST_F(EventTest, AWaitWithoutADeadlineIsToldWhenTheRuntimeEnds) {
  Event event(loop());
  std::atomic<bool> waiting{false};
  Task<> task = runtime::on_loop(loop(), wait_without_a_deadline(&event, &waiting));
  std::thread waiter([&] { EXPECT_THROW(sync_wait(std::move(task)), ShutdownError); });
  EXPECT_TRUE(wait_for(30s, [&] { return waiting.load(); }));
  runtime_.reset();
  waiter.join();
}

Task<> wait_again_while_ending(Event* event, std::atomic<bool>* waiting, std::atomic<int>* told) {
  waiting->store(true);
  for (int i = 0; i < 3; ++i) {
    try {
      co_await event->wait();
    } catch (const ShutdownError&) {
      ++*told;
    }
  }
}

TEST_F(EventTest, AWaitBegunWhileTheRuntimeEndsIsRefused) {
  Event event(loop());
  std::atomic<bool> waiting{false};
  std::atomic<int> told{0};
  Task<> task = runtime::on_loop(loop(), wait_again_while_ending(&event, &waiting, &told));
  std::thread waiter([&] { sync_wait(std::move(task)); });
  EXPECT_TRUE(wait_for(30s, [&] { return waiting.load(); }));
  runtime_.reset();
  waiter.join();
  EXPECT_EQ(told, 3);
}

Task<> completes_before_and_after(EventLoop* loop) {
  OneShot<int> before(*loop);
  EXPECT_TRUE(before.complete(1));
  EXPECT_FALSE(before.complete(2));
  EXPECT_FALSE(before.fail(std::make_exception_ptr(1)));
  EXPECT_EQ(co_await before.wait(), 1);

  OneShot<int> after(*loop);
  loop->defer([&after] { after.complete(3); });
  EXPECT_EQ(co_await after.wait(), 3);

  OneShot<> nothing(*loop);
  loop->defer([&nothing] { nothing.complete(); });
  co_await nothing.wait();

  OneShot<std::unique_ptr<int>> owner(*loop);
  owner.complete(std::make_unique<int>(4));
  const std::unique_ptr<int> four = co_await owner.wait();
  EXPECT_EQ(*four, 4);
}

TEST_F(OneShotTest, GivesTheFirstCompletionWhetherBeforeOrAfterTheWait) {
  run(completes_before_and_after(&loop()));
}

Task<> fails_later(EventLoop* loop) {
  OneShot<int> result(*loop);
  loop->defer([&result] { result.fail(std::make_exception_ptr(std::runtime_error("lost"))); });
  co_await result.wait();
}

TEST_F(OneShotTest, RethrowsAFailure) {
  EXPECT_THROW(run(fails_later(&loop())), std::runtime_error);
}

}  // namespace
}  // namespace mx_rmq::test
