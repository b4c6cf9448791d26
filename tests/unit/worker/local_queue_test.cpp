#include "worker/local_queue.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "worker/delivery.hpp"

namespace mx_rmq::worker {
namespace {

// An item that its tag tells from the others.
LocalQueue::Item item(std::uint64_t number) {
  return std::make_shared<Delivery>(nullptr, 1, broker::Tag{number, 1}, "");
}

std::vector<std::uint64_t> numbers(const std::vector<LocalQueue::Item>& items) {
  std::vector<std::uint64_t> out;
  for (const auto& each : items) out.push_back(each->tag.claim);
  return out;
}

const auto any = [](LocalQueue::TopicId) { return true; };
using Numbers = std::vector<std::uint64_t>;

TEST(LocalQueue, IsEmptyAtFirst) {
  LocalQueue queue;
  EXPECT_EQ(queue.size(), 0u);
  EXPECT_EQ(queue.pop(any), nullptr);
  EXPECT_TRUE(queue.take_all().empty());
}

TEST(LocalQueue, HigherLevelsGoFirstAndWithinOneTheOldest) {
  LocalQueue queue;
  queue.push(0, 2, item(1));
  queue.push(0, 1, item(2));
  queue.push(0, 0, item(3));
  queue.push(0, 1, item(4));
  queue.push(0, 0, item(5));
  EXPECT_EQ(queue.size(), 5u);
  EXPECT_EQ(numbers(queue.take_all()), (Numbers{3, 5, 2, 4, 1}));
  EXPECT_EQ(queue.size(), 0u);
}

TEST(LocalQueue, TopicsOfOneLevelTakeTurns) {
  LocalQueue queue;
  for (std::uint64_t i = 1; i <= 3; ++i) queue.push(7, 1, item(i));
  queue.push(8, 1, item(11));
  queue.push(8, 1, item(12));
  EXPECT_EQ(numbers(queue.take_all()), (Numbers{1, 11, 2, 12, 3}));
}

TEST(LocalQueue, ATopicMayKeepItsTurnButNotAheadOfAHigherLevel) {
  LocalQueue queue;
  for (std::uint64_t i = 1; i <= 4; ++i) queue.push(7, 1, item(i));
  queue.push(8, 1, item(11));
  queue.push(8, 1, item(12));
  EXPECT_EQ(queue.pop(any)->tag.claim, 1u);
  EXPECT_EQ(queue.pop(any, 7)->tag.claim, 2u);
  queue.push(8, 0, item(10));
  EXPECT_EQ(queue.pop(any, 7)->tag.claim, 10u);
  EXPECT_EQ(queue.pop(any, 9)->tag.claim, 11u) << "there is nothing of that one";
  const auto not_seven = [](LocalQueue::TopicId topic) { return topic != 7; };
  EXPECT_EQ(queue.pop(not_seven, 7)->tag.claim, 12u);
  EXPECT_EQ(queue.pop(any, 7)->tag.claim, 3u);
  EXPECT_EQ(queue.pop(any, 7)->tag.claim, 4u);
  EXPECT_EQ(queue.pop(any, 7), nullptr);
  EXPECT_EQ(queue.size(), 0u);
}

TEST(LocalQueue, ATopicThatMayNotRunIsLeftOut) {
  LocalQueue queue;
  queue.push(1, 0, item(1));
  queue.push(2, 2, item(2));
  const auto only_two = [](LocalQueue::TopicId topic) { return topic == 2; };
  const auto first = queue.pop(only_two);
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(first->tag.claim, 2u);
  EXPECT_EQ(queue.pop(only_two), nullptr);
  EXPECT_EQ(queue.size(), 1u);
}

TEST(LocalQueue, CountsByTopic) {
  LocalQueue queue;
  queue.push(1, 0, item(1));
  queue.push(1, 2, item(2));
  queue.push(2, 1, item(3));
  EXPECT_EQ(queue.size(1), 2u);
  EXPECT_EQ(queue.size(2), 1u);
  EXPECT_EQ(queue.size(3), 0u);
  static_cast<void>(queue.pop(any));
  EXPECT_EQ(queue.size(1), 1u);
}

TEST(LocalQueue, TakesOutWhatIsAskedForAndKeepsTheOrderOfTheRest) {
  LocalQueue queue;
  for (std::uint64_t i = 1; i <= 6; ++i) queue.push(i % 2, 1, item(i));
  const auto taken = queue.take_if([](const Delivery& each) { return each.tag.claim % 3 == 0; });
  EXPECT_EQ(taken.size(), 2u);
  EXPECT_EQ(queue.size(), 4u);
  EXPECT_EQ(queue.size(0), 2u);
  EXPECT_EQ(numbers(queue.take_all()), (Numbers{1, 2, 5, 4}));
}

TEST(LocalQueue, TakingOutTheLastOfATopicLeavesNoTrace) {
  LocalQueue queue;
  queue.push(1, 1, item(1));
  EXPECT_EQ(queue.take_if([](const Delivery&) { return true; }).size(), 1u);
  EXPECT_EQ(queue.size(1), 0u);
  EXPECT_EQ(queue.pop(any), nullptr);
  queue.push(1, 1, item(2));
  EXPECT_EQ(numbers(queue.take_all()), (Numbers{2}));
}

}  // namespace
}  // namespace mx_rmq::worker
