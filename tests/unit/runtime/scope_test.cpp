#include "runtime/scope.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "mx_rmq/errors.hpp"

#include "runtime/event.hpp"

#include "loop_test.hpp"

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

}  // namespace
}  // namespace mx_rmq::test
