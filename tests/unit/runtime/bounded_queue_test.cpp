#include "runtime/bounded_queue.hpp"

#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <utility>
#include <vector>

#include "runtime/scope.hpp"

#include "loop_test.hpp"

namespace mx_rmq::test {
namespace {

using runtime::BoundedQueue;
using runtime::EventLoop;
using runtime::Scope;
using Queue = BoundedQueue<int>;

class BoundedQueueTest : public LoopTest {};

void unexpected(std::exception_ptr error) { std::rethrow_exception(error); }

struct Popped {
  int by;
  std::optional<int> value;
  friend bool operator==(const Popped&, const Popped&) = default;
};

Task<> pop_into(Queue* queue, std::vector<Popped>* popped, int name) {
  const std::optional<int> value = co_await queue->pop();
  popped->push_back(Popped{name, value});
}

Task<> push_into(Queue* queue, int value, std::vector<std::optional<int>>* refused) {
  const std::optional<int> back = co_await queue->push(value);
  refused->push_back(back);
}

/// Until nothing of the last step is left in the ready list.
Task<> settle(EventLoop* loop) {
  for (int i = 0; i < 8; ++i) co_await loop->yield();
}

Task<> limits(EventLoop* loop) {
  Queue queue(*loop, 2);
  EXPECT_TRUE(queue.try_push(1));
  EXPECT_TRUE(queue.try_push(2));
  EXPECT_FALSE(queue.try_push(3));
  EXPECT_EQ(queue.size(), 2U);
  EXPECT_EQ(queue.try_pop(), 1);
  EXPECT_TRUE(queue.try_push(3));
  const std::optional<int> second = co_await queue.pop();
  EXPECT_EQ(second, 2);
  EXPECT_EQ(queue.try_pop(), 3);
  EXPECT_EQ(queue.try_pop(), std::nullopt);
}

TEST_F(BoundedQueueTest, HoldsAtMostItsCapacityFirstInFirstOut) { run(limits(&loop())); }

TEST_F(BoundedQueueTest, RefusesACapacityOfZero) {
  EXPECT_THROW(Queue(loop(), 0), std::invalid_argument);
}

Task<> several_pushes_in_one_turn(EventLoop* loop) {
  Queue queue(*loop, 10);
  Scope scope(*loop, unexpected);
  std::vector<Popped> popped;
  for (int i = 0; i < 3; ++i) scope.spawn(pop_into(&queue, &popped, i));
  co_await settle(loop);
  EXPECT_EQ(queue.poppers(), 3U);
  for (int value : {10, 11, 12, 13}) EXPECT_TRUE(queue.try_push(value));
  EXPECT_EQ(queue.size(), 1U);  // three were handed over at once
  EXPECT_TRUE(popped.empty());  // and nobody ran inside a push
  co_await scope.join();
  const std::vector<Popped> expected{{0, 10}, {1, 11}, {2, 12}};
  EXPECT_EQ(popped, expected);
}

TEST_F(BoundedQueueTest, SeveralPushesInOneTurnWakeAsManyInTheOrderTheyCame) {
  run(several_pushes_in_one_turn(&loop()));
}

Task<> a_late_pop_does_not_overtake(EventLoop* loop) {
  Queue queue(*loop, 10);
  Scope scope(*loop, unexpected);
  std::vector<Popped> popped;
  scope.spawn(pop_into(&queue, &popped, 0));
  co_await settle(loop);
  EXPECT_TRUE(queue.try_push(1));
  EXPECT_EQ(queue.try_pop(), std::nullopt);  // the element is the waiter's already
  co_await scope.join();
  const std::vector<Popped> expected{{0, 1}};
  EXPECT_EQ(popped, expected);
}

TEST_F(BoundedQueueTest, AnElementHandedToAWaiterCannotBeTakenByAnother) {
  run(a_late_pop_does_not_overtake(&loop()));
}

Task<> pushers_wait(EventLoop* loop) {
  Queue queue(*loop, 1);
  Scope scope(*loop, unexpected);
  std::vector<std::optional<int>> refused;
  for (const int value : {1, 2, 3}) scope.spawn(push_into(&queue, value, &refused));
  co_await settle(loop);
  EXPECT_EQ(refused.size(), 1U);
  for (const int expected : {1, 2, 3}) {
    const std::optional<int> value = co_await queue.pop();
    EXPECT_EQ(value, expected);
  }
  co_await scope.join();
  const std::vector<std::optional<int>> none{std::nullopt, std::nullopt, std::nullopt};
  EXPECT_EQ(refused, none);
}

TEST_F(BoundedQueueTest, PushersWaitForRoomInTheOrderTheyCame) { run(pushers_wait(&loop())); }

Task<> close_drains(EventLoop* loop) {
  Queue queue(*loop, 2);
  Scope scope(*loop, unexpected);
  std::vector<std::optional<int>> refused;
  for (const int value : {1, 2, 3}) scope.spawn(push_into(&queue, value, &refused));
  co_await settle(loop);
  queue.close();
  queue.close();
  EXPECT_EQ(queue.state(), Queue::State::draining);
  co_await scope.join();
  EXPECT_EQ(refused.back(), 3);  // the one that waited for room gets its element back
  EXPECT_FALSE(queue.try_push(4));
  const std::optional<int> late = co_await queue.push(5);
  EXPECT_EQ(late, 5);
  const std::optional<int> first = co_await queue.pop();
  EXPECT_EQ(first, 1);
  const std::optional<int> second = co_await queue.pop();
  EXPECT_EQ(second, 2);
  const std::optional<int> drained = co_await queue.pop();
  EXPECT_EQ(drained, std::nullopt);
}

TEST_F(BoundedQueueTest, CloseHandsOutWhatIsThereAndRefusesTheRest) { run(close_drains(&loop())); }

Task<> close_wakes_poppers(EventLoop* loop) {
  Queue queue(*loop, 2);
  Scope scope(*loop, unexpected);
  std::vector<Popped> popped;
  for (int i = 0; i < 2; ++i) scope.spawn(pop_into(&queue, &popped, i));
  co_await settle(loop);
  EXPECT_TRUE(queue.try_push(7));
  queue.close();
  co_await scope.join();
  const std::vector<Popped> expected{{0, 7}, {1, std::nullopt}};
  EXPECT_EQ(popped, expected);
}

TEST_F(BoundedQueueTest, CloseWakesThoseWhoWaitForAnElement) { run(close_wakes_poppers(&loop())); }

Task<> stop_returns_the_rest(EventLoop* loop) {
  Queue queue(*loop, 3);
  Scope scope(*loop, unexpected);
  std::vector<Popped> popped;
  std::vector<std::optional<int>> refused;
  scope.spawn(pop_into(&queue, &popped, 0));
  co_await settle(loop);
  for (const int value : {1, 2, 3, 4, 5}) scope.spawn(push_into(&queue, value, &refused));
  co_await settle(loop);
  const std::vector<int> rest = queue.stop();
  const std::vector<int> expected{2, 3, 4};
  EXPECT_EQ(rest, expected);
  EXPECT_EQ(queue.state(), Queue::State::stopped);
  co_await scope.join();
  EXPECT_EQ(popped.front().value, 1);
  EXPECT_EQ(refused.back(), 5);
  EXPECT_EQ(queue.try_pop(), std::nullopt);
  const std::optional<int> after = co_await queue.pop();
  EXPECT_EQ(after, std::nullopt);
  EXPECT_TRUE(queue.stop().empty());
}

TEST_F(BoundedQueueTest, StopDropsNothing) { run(stop_returns_the_rest(&loop())); }

Task<> destroyed_while_waiting(EventLoop* loop) {
  Scope scope(*loop, unexpected);
  std::vector<Popped> popped;
  {
    Queue queue(*loop, 1);
    scope.spawn(pop_into(&queue, &popped, 0));
    co_await settle(loop);
  }
  co_await scope.join();
  const std::vector<Popped> expected{{0, std::nullopt}};
  EXPECT_EQ(popped, expected);
}

TEST_F(BoundedQueueTest, DestroyedWhileSomebodyWaitsWakesThem) {
  run(destroyed_while_waiting(&loop()));
}

Task<> move_only(EventLoop* loop) {
  BoundedQueue<std::unique_ptr<int>> queue(*loop, 1);
  auto one = std::make_unique<int>(1);
  EXPECT_TRUE(queue.try_push(one));
  EXPECT_EQ(one, nullptr);
  auto two = std::make_unique<int>(2);
  EXPECT_FALSE(queue.try_push(two));
  EXPECT_NE(two, nullptr);  // not moved from
  const std::optional<std::unique_ptr<int>> popped = co_await queue.pop();
  EXPECT_EQ(**popped, 1);
}

TEST_F(BoundedQueueTest, CarriesMoveOnlyElements) { run(move_only(&loop())); }

Task<> produce(Queue* queue, int from, int count, EventLoop* loop, unsigned seed) {
  std::mt19937 random(seed);
  for (int i = from; i < from + count; ++i) {
    co_await queue->push(i);
    if (random() % 3 == 0) co_await loop->yield();
  }
}

Task<> consume(Queue* queue, std::vector<int>* seen, EventLoop* loop, unsigned seed) {
  std::mt19937 random(seed);
  for (;;) {
    const std::optional<int> value = co_await queue->pop();
    if (!value) co_return;
    seen->push_back(*value);
    if (random() % 3 == 0) co_await loop->yield();
  }
}

Task<> everything_arrives_once(EventLoop* loop, unsigned seed) {
  Queue queue(*loop, 3);
  Scope producers(*loop, unexpected);
  Scope consumers(*loop, unexpected);
  std::vector<int> seen;
  for (unsigned i = 0; i < 5; ++i) {
    producers.spawn(produce(&queue, static_cast<int>(i) * 200, 200, loop, seed + i));
  }
  for (unsigned i = 0; i < 4; ++i) consumers.spawn(consume(&queue, &seen, loop, seed + 50 + i));
  co_await producers.join();
  queue.close();
  co_await consumers.join();
  std::vector<int> counted(1000, 0);
  for (const int value : seen) ++counted[static_cast<std::size_t>(value)];
  const std::vector<int> once(1000, 1);
  EXPECT_EQ(counted, once);
}

TEST_F(BoundedQueueTest, ManyProducersAndConsumersLoseNothing) {
  for (unsigned seed = 0; seed < 20; ++seed) run(everything_arrives_once(&loop(), seed));
}

}  // namespace
}  // namespace mx_rmq::test
