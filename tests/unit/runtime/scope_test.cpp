#include "runtime/scope.hpp"

#include <atomic>
#include <coroutine>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "mx_rmq/errors.hpp"

#include "runtime/event.hpp"

#include "loop_test.hpp"
#include "support/wait.hpp"

namespace mx_rmq::test {
namespace {

using runtime::Event;
using runtime::EventLoop;
using runtime::Scope;

class ScopeTest : public LoopTest {};

void unexpected(std::exception_ptr error) { std::rethrow_exception(error); }

Task<> add_after(Event* go, int* sum, int value) {
  co_await go->wait();
  *sum += value;
}

Task<> joins(EventLoop* loop) {
  Scope scope(*loop, unexpected);
  Event go(*loop);
  int sum = 0;
  co_await scope.join();  // empty: at once
  for (int i = 1; i <= 10; ++i) scope.spawn(add_after(&go, &sum, i));
  EXPECT_EQ(scope.size(), 10U);
  EXPECT_EQ(loop->live_tasks(), 10);
  loop->call_at(loop->now() + 1ms, [&go] { go.set(); });
  co_await scope.join();
  EXPECT_EQ(sum, 55);
  EXPECT_EQ(scope.size(), 0U);
  EXPECT_EQ(loop->live_tasks(), 0);
}

TEST_F(ScopeTest, JoinWaitsForEveryTask) { run(joins(&loop())); }

Task<> spawn_children(Scope* scope, int* ended, int depth) {
  if (depth > 0) {
    scope->spawn(spawn_children(scope, ended, depth - 1));
    scope->spawn(spawn_children(scope, ended, depth - 1));
  }
  ++*ended;
  co_return;
}

Task<int> joins_descendants(EventLoop* loop) {
  Scope scope(*loop, unexpected);
  int ended = 0;
  scope.spawn(spawn_children(&scope, &ended, 8));
  co_await scope.join();
  co_return ended;
}

TEST_F(ScopeTest, JoinCountsTasksSpawnedMeanwhile) {
  EXPECT_EQ(run(joins_descendants(&loop())), 511);
}

Task<> does_not_run_inside_spawn(EventLoop* loop) {
  Scope scope(*loop, unexpected);
  Event go(*loop);
  go.set();
  int sum = 0;
  scope.spawn(add_after(&go, &sum, 1));
  EXPECT_EQ(sum, 0);
  co_await scope.join();
  EXPECT_EQ(sum, 1);
}

TEST_F(ScopeTest, ATaskStartsFromTheReadyList) { run(does_not_run_inside_spawn(&loop())); }

Task<> throws(std::string why) {
  throw std::runtime_error(why);
  co_return;
}

Task<> hands_errors_over(EventLoop* loop) {
  std::vector<std::string> errors;
  Scope scope(*loop, [&errors](std::exception_ptr error) {
    try {
      std::rethrow_exception(error);
    } catch (const std::runtime_error& e) {
      errors.emplace_back(e.what());
    }
  });
  scope.spawn(throws("one"));
  scope.spawn(throws("two"));
  co_await scope.join();
  const std::vector<std::string> expected{"one", "two"};
  EXPECT_EQ(errors, expected);
}

TEST_F(ScopeTest, ExceptionsGoToTheHandler) { run(hands_errors_over(&loop())); }

Task<> handler_throws(EventLoop* loop) {
  Scope scope(*loop, unexpected);
  scope.spawn(throws("loud"));
  co_await scope.join();
}

TEST_F(ScopeTest, AnExceptionOfTheHandlerReachesTheLoop) {
  run(handler_throws(&loop()));
  EXPECT_EQ(take_errors(), std::vector<std::string>{"loud"});
}

TEST_F(ScopeTest, CannotBeMadeWithoutAHandler) {
  EXPECT_THROW(Scope(loop(), {}), std::invalid_argument);
}

Task<> refuses_when_closed(EventLoop* loop) {
  Scope scope(*loop, unexpected);
  scope.close();
  EXPECT_THROW(scope.spawn(throws("never runs")), ShutdownError);
  co_await scope.join();
}

TEST_F(ScopeTest, RefusesNewTasksWhenClosed) { run(refuses_when_closed(&loop())); }

/// Refers to something that its owner frees as soon as the scope is joined.
struct UsesOnDestruction {
  explicit UsesOnDestruction(int* counter) : alive(counter) { ++*alive; }
  UsesOnDestruction(UsesOnDestruction&& other) noexcept : alive(other.alive) { ++*alive; }
  ~UsesOnDestruction() { --*alive; }
  int* alive;
};

Task<> holds(UsesOnDestruction parameter, Event* go) {
  UsesOnDestruction local(parameter.alive);
  co_await go->wait();
}

Task<> owner_frees_after_join(EventLoop* loop) {
  for (int round = 0; round < 50; ++round) {
    auto alive = std::make_unique<int>(0);
    Event go(*loop);
    Scope scope(*loop, unexpected);
    for (int i = 0; i < 5; ++i) scope.spawn(holds(UsesOnDestruction(alive.get()), &go));
    co_await loop->yield();
    EXPECT_GE(*alive, 10);
    go.set();
    co_await scope.join();
    EXPECT_EQ(*alive, 0);  // frames, with their parameters, are gone before the scope is told
    alive.reset();         // and nothing refers to it any more
  }
}

TEST_F(ScopeTest, FramesAreDestroyedBeforeTheScopeIsTold) { run(owner_frees_after_join(&loop())); }

Task<> destroyed_with_tasks(EventLoop* loop, Event* go, int* sum) {
  {
    Scope scope(*loop, unexpected);
    scope.spawn(add_after(go, sum, 1));
  }
  go->set();
  co_await loop->yield();
  co_await loop->yield();
  co_await loop->yield();
}

TEST_F(ScopeTest, DestroyedWithTasksIsReportedAndTheTasksStillEnd) {
  Event go(loop());
  int sum = 0;
  run(destroyed_with_tasks(&loop(), &go, &sum));
  EXPECT_EQ(sum, 1);
  EXPECT_EQ(take_errors().size(), 1U);
}

Task<> join_and_count(Scope* scope, int* joined) {
  co_await scope->join();
  ++*joined;
}

Task<> several_join(EventLoop* loop) {
  Event go(*loop);
  int sum = 0;
  int joined = 0;
  Scope joiners(*loop, unexpected);
  Scope scope(*loop, unexpected);
  scope.spawn(add_after(&go, &sum, 1));
  for (int i = 0; i < 3; ++i) joiners.spawn(join_and_count(&scope, &joined));
  co_await loop->yield();
  EXPECT_EQ(joined, 0);
  go.set();
  co_await joiners.join();
  EXPECT_EQ(joined, 3);
}

TEST_F(ScopeTest, SeveralMayJoin) { run(several_join(&loop())); }

/// Goes on on a thread of its own.
class OnAThread {
 public:
  explicit OnAThread(std::vector<std::thread>* threads) : threads_(threads) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> coroutine) const {
    threads_->emplace_back([coroutine] { coroutine.resume(); });
  }
  void await_resume() const noexcept {}

 private:
  std::vector<std::thread>* threads_;
};

Task<int> ends_elsewhere(std::vector<std::thread>* threads, bool fails) {
  OnAThread elsewhere(threads);
  co_await elsewhere;
  if (fails) throw std::runtime_error("elsewhere");
  co_return 7;
}

Task<> ends_elsewhere_too(std::vector<std::thread>* threads, bool fails) {
  co_await ends_elsewhere(threads, fails);
}

Task<> joins_what_ends_elsewhere(EventLoop* loop, std::vector<std::thread>* threads) {
  int failed_on_the_loop = 0;
  Scope scope(*loop, [loop, &failed_on_the_loop](std::exception_ptr) {
    if (loop->on_loop_thread()) ++failed_on_the_loop;
  });
  for (int i = 0; i < 50; ++i) scope.spawn(ends_elsewhere_too(threads, i % 2 == 0));
  co_await scope.join();
  EXPECT_TRUE(loop->on_loop_thread());
  EXPECT_EQ(failed_on_the_loop, 25);
}

TEST_F(ScopeTest, ATaskThatEndsOnAnotherThreadIsToldOnTheLoop) {
  std::vector<std::thread> threads;
  run(joins_what_ends_elsewhere(&loop(), &threads));
  for (auto& thread : threads) thread.join();
}

Task<> comes_back(EventLoop* loop, std::vector<std::thread>* threads) {
  EXPECT_EQ(co_await runtime::on_loop(*loop, ends_elsewhere(threads, false)), 7);
  EXPECT_TRUE(loop->on_loop_thread());
  bool thrown = false;
  try {
    co_await runtime::on_loop(*loop, ends_elsewhere_too(threads, true));
  } catch (const std::runtime_error&) {
    thrown = true;
  }
  EXPECT_TRUE(thrown);
  EXPECT_TRUE(loop->on_loop_thread());
}

TEST_F(ScopeTest, OnLoopComesBackFromWhereverTheTaskEnds) {
  std::vector<std::thread> threads;
  run(comes_back(&loop(), &threads));
  for (auto& thread : threads) thread.join();
}

Task<> ends_after_the_shutdown(Event* shut, EventLoop* loop, std::atomic<int>* ended) {
  try {
    co_await shut->wait();
  } catch (const ShutdownError&) {
  }
  for (int i = 0; i < 3; ++i) co_await loop->yield();
  ++*ended;
}

Task<> joins_during_the_shutdown(EventLoop* loop, std::atomic<int>* begun,
                                 std::atomic<int>* ended) {
  Event never(*loop);
  Scope scope(*loop, unexpected);
  for (int i = 0; i < 3; ++i) scope.spawn(ends_after_the_shutdown(&never, loop, ended));
  ++*begun;
  co_await scope.join();
  EXPECT_EQ(*ended, 3);
}

TEST_F(ScopeTest, JoinLastsUntilTheTasksHaveHeardOfTheLoopsEnd) {
  std::atomic<int> begun{0};
  std::atomic<int> ended{0};
  Task<> task = runtime::on_loop(loop(), joins_during_the_shutdown(&loop(), &begun, &ended));
  std::thread owner([&] { sync_wait(std::move(task)); });
  EXPECT_TRUE(wait_for(30s, [&] { return begun == 1; }));
  runtime_.reset();
  owner.join();
  EXPECT_EQ(ended, 3);
}

}  // namespace
}  // namespace mx_rmq::test
