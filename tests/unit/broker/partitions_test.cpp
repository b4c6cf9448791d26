#include "broker/data/partitions.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "broker/data/keys.hpp"
#include "redis/topology/cluster/slot.hpp"

namespace mx_rmq::broker {
namespace {

// Programs in other languages, and later versions, find the partitions by these.
TEST(PartitionTag, IsTheSameForEver) {
  EXPECT_EQ(partition_tag("orders", 0), "orders");
  EXPECT_EQ(partition_tag("orders", 1), "orders#1.018p");
  EXPECT_EQ(partition_tag("orders", 2), "orders#2.0s44");
  EXPECT_EQ(partition_tag("orders", 3), "orders#3.028a");
  EXPECT_EQ(partition_tag("orders", 15), "orders#15.03o4");
  EXPECT_EQ(partition_tag("orders", 1023), "orders#1023.0gnq");
  EXPECT_EQ(partition_tag("a", 1), "a#1.04jc");
  EXPECT_EQ(partition_tag("mail.out:eu-1", 7), "mail.out:eu-1#7.024s");
}

TEST(PartitionTag, NamesTheKeysOfAPartition) {
  const TopicKeys first("app", "orders");
  const TopicKeys second("app", "orders", 1);
  EXPECT_EQ(first.tag(), "orders");
  EXPECT_EQ(second.tag(), "orders#1.018p");
  EXPECT_EQ(second.topic(), "orders") << "it is the topic's all the same";
  EXPECT_EQ(second.ids, "app:{orders#1.018p}:ids");
}

// The most slots between two neighbours, around the ring.
int widest_gap(const std::set<int>& slots) {
  int widest = *slots.begin() + redis::slot_count - *slots.rbegin();
  for (auto slot = std::next(slots.begin()); slot != slots.end(); ++slot)
    widest = std::max(widest, *slot - *std::prev(slot));
  return widest;
}

void expect_even(const std::string& topic, int most) {
  std::set<int> slots;
  for (int count = 1; count <= most; ++count) {
    slots.insert(redis::slot_of(partition_tag(topic, count - 1)));
    ASSERT_EQ(slots.size(), static_cast<std::size_t>(count)) << "each has a slot of its own";
    int full = 1;  // the power of two that is not more
    while (2 * full <= count) full *= 2;
    ASSERT_EQ(widest_gap(slots), redis::slot_count / full)
        << "topic " << topic << ", " << count << " partitions";
  }
}

TEST(PartitionTag, PartitionsLieEvenlyOverTheSlotsForEachNumberOfThem) {
  expect_even("orders", max_partitions);
  expect_even("a", 40);
  expect_even("mail.out:eu-1", 40);
  EXPECT_EQ(redis::slot_of(partition_tag("a", 0)), redis::slot_of("a"));
}

TEST(RouteHash, IsTheSameForEver) {
  EXPECT_EQ(route_hash(""), 14695981038468906945U);
  EXPECT_EQ(route_hash("a"), 12638187199001669824U);
  EXPECT_EQ(route_hash("customer-17"), 2174255042260621136U);
  EXPECT_EQ(route_hash("\xc3\xa9"), 775207407878539526U) << "bytes count as unsigned";
  EXPECT_EQ(route_hash(std::string_view("\0", 1)), 12638153114141198995U);
}

TEST(RouteHash, SpreadsKeysThatAreAlike) {
  for (const int partitions : {2, 3, 7, 16, 64}) {
    std::vector<int> keys(static_cast<std::size_t>(partitions));
    constexpr int all = 64'000;
    for (int i = 0; i < all; ++i) {
      const std::string key = "customer-" + std::to_string(i);
      ++keys[static_cast<std::size_t>(partition_of(route_hash(key), partitions))];
    }
    const auto [least, most] = std::ranges::minmax(keys);
    EXPECT_GT(least, all / partitions * 8 / 10) << partitions;
    EXPECT_LT(most, all / partitions * 12 / 10) << partitions;
  }
}

TEST(NotedPartition, IsReadFromTheIdThatItWasNotedIn) {
  for (const int partition : {0, 1, 15, 16, 255, 1023}) {
    std::string id = "0190163d-8694-739b-aea5-966c26f8ad91";
    EXPECT_FALSE(noted_partition(id)) << "as it was generated";
    note_partition(id, partition);
    EXPECT_EQ(noted_partition(id), partition) << id;
    EXPECT_EQ(id.substr(0, 15), "0190163d-8694-7") << "time and version stay";
    EXPECT_EQ(id.substr(18), "-aea5-966c26f8ad91") << "what makes it unique stays";
  }
}

TEST(NotedTime, IsReadFromGeneratedIdsOnly) {
  std::string id = "0190163d-8694-739b-aea5-966c26f8ad91";
  EXPECT_EQ(noted_time(id), 0x0190163d8694);
  note_partition(id, 7);
  EXPECT_EQ(noted_time(id), 0x0190163d8694);
  for (const char* other : {"", "order-7", "0190163d-8694-439b-aea5-966c26f8ad91",
                            "0190163d-8694-739b-aea5-966c26f8ad9x"})
    EXPECT_FALSE(noted_time(other)) << other;
}

TEST(NotedPartition, IsNotReadFromOtherIds) {
  for (const char* id :
       {"", "order-7", "0190163d-8694-439b-aea5-966c26f8ad91",
        "0190163d-8694-7fff-aea5-966c26f8ad91", "0190163d-8694-7c00-aea5-966c26f8ad91",
        "0190163d-8694-78Ag-aea5-966c26f8ad91", "0190163d-8694-7801-aea5-966c26f8ad910",
        "0190163d_8694-7801-aea5-966c26f8ad91"}) {
    EXPECT_FALSE(noted_partition(id)) << id;
  }
}

}  // namespace
}  // namespace mx_rmq::broker
