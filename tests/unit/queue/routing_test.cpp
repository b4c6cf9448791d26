#include "queue/routing.hpp"

#include <gtest/gtest.h>

#include <map>
#include <vector>

namespace mx_rmq::queue {
namespace {

using Look = Routing::Look;

// Partitions as a test sets them; idle ones unless it says otherwise.
struct Partitions {
  std::map<int, Look> looks;
  int asked = 0;

  std::function<Look(int)> look() {
    return [this](int partition) {
      ++asked;
      const auto found = looks.find(partition);
      return found != looks.end() ? found->second : Look{true, 0, 0};
    };
  }
};

TEST(Routing, GoesRoundWhileEachMessageFindsAnIdlePartition) {
  Routing routing("t");
  Partitions partitions;
  std::vector<int> taken;
  for (int i = 0; i < 6; ++i) taken.push_back(routing.pick(3, 1, partitions.look()));
  EXPECT_EQ(taken, (std::vector<int>{1, 2, 0, 1, 2, 0}));
}

TEST(Routing, StaysWhereABatchFillsUntilItIsFull) {
  Routing routing("t");
  Partitions partitions;
  const int first = routing.pick(4, 1, partitions.look());
  partitions.looks[first] = Look{true, 10, 1};
  std::size_t stayed = 1;
  while (routing.pick(4, 1, partitions.look()) == first) ++stayed;
  EXPECT_EQ(stayed, Routing::most_in_a_row);
}

TEST(Routing, LeavesAPartitionWhereAFullBatchWaits) {
  Routing routing("t");
  Partitions partitions;
  const int first = routing.pick(4, 1, partitions.look());
  partitions.looks[first] = Look{true, Routing::most_in_a_row, 256};
  EXPECT_NE(routing.pick(4, 1, partitions.look()), first);
}

TEST(Routing, GoesWhereThereIsAConnectionAndTheLeastToDo) {
  Routing routing("t");
  Partitions partitions;
  partitions.looks = {{0, {true, 5, 5}}, {1, {false, 0, 0}}, {2, {true, 2, 1}}, {3, {true, 9, 0}}};
  EXPECT_EQ(routing.pick(4, 1, partitions.look()), 2);
}

TEST(Routing, TakesOneEvenIfNoneCanBeReached) {
  Routing routing("t");
  Partitions partitions;
  for (int i = 0; i < 3; ++i) partitions.looks[i] = Look{false, 0, 0};
  const int taken = routing.pick(3, 1, partitions.look());
  EXPECT_GE(taken, 0);
  EXPECT_LT(taken, 3);
}

TEST(Routing, LooksAtABoundedNumberOfPartitions) {
  Routing routing("t");
  Partitions partitions;
  for (int i = 0; i < 1024; ++i) partitions.looks[i] = Look{true, 1, 1};
  static_cast<void>(routing.pick(1024, 1, partitions.look()));
  EXPECT_LE(partitions.asked, 17);
}

TEST(Routing, FollowsANumberThatGrows) {
  Routing routing("t");
  Partitions partitions;
  EXPECT_EQ(routing.pick(1, 1, partitions.look()), 0);
  EXPECT_EQ(routing.pick(1, 1, partitions.look()), 0);
  EXPECT_EQ(routing.pick(2, 1, partitions.look()), 1);
}

TEST(Routing, ReckonsTags) {
  Routing routing("orders");
  EXPECT_EQ(routing.tag(0), "orders");
  EXPECT_EQ(routing.tag(15), "orders#15.03o4");
  EXPECT_EQ(routing.tag(1), "orders#1.018p");
}

}  // namespace
}  // namespace mx_rmq::queue
