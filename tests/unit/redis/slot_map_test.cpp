// Which master serves a slot, from maps and from MOVED, and when the map is asked for.
#include "redis/topology/cluster/slot_map.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "redis/topology/cluster/refresh_times.hpp"

namespace mx_rmq::redis {
namespace {

using namespace std::chrono_literals;
using api::HostPort;

const HostPort a{"a", 1};
const HostPort b{"b", 2};
const HostPort c{"c", 3};
constexpr TimePoint start{std::chrono::hours(1)};

std::string at(const SlotMap& map, int slot) {
  const HostPort* const master = map.master(slot);
  return master == nullptr ? "nobody" : master->host;
}
Redirect moved_to(int slot, const HostPort& to) { return {false, slot, to}; }

class SlotMapTest : public ::testing::Test {
 protected:
  SlotMapTest() { map.apply(halves, start); }
  const std::vector<SlotRange> halves{{0, 8191, a, true}, {8192, 16383, b, true}};
  SlotMap map;
};

TEST_F(SlotMapTest, TellsWhatAMapChanged) {
  EXPECT_EQ(at(map, 0), "a");
  EXPECT_EQ(at(map, 16383), "b");
  EXPECT_TRUE(map.apply(halves, start + 1s).empty());
  const std::vector<SlotRange> next{{0, 8190, a, true}, {8191, 16383, b, true}};
  EXPECT_EQ(map.apply(next, start + 2s), std::vector<int>{8191});
  EXPECT_EQ(at(map, 8191), "b");
}

TEST_F(SlotMapTest, HolesAreNormal) {
  const std::vector<SlotRange> some{{10, 19, a, true}, {30, 39, {}, true}};
  EXPECT_EQ(map.apply(some, start + 1s).size(), 16384U - 10U);
  EXPECT_EQ(at(map, 9), "nobody");
  EXPECT_EQ(at(map, 30), "nobody") << "its master's address is not known";
  EXPECT_EQ(map.holes(), 16384 - 10);
  EXPECT_EQ(map.masters(), std::vector<HostPort>{a});
}

TEST_F(SlotMapTest, MovedCountsAtOnce) {
  EXPECT_TRUE(map.moved(moved_to(5, c), start + 10s));
  EXPECT_FALSE(map.moved(moved_to(5, c), start + 10s)) << "said twice";
  EXPECT_EQ(at(map, 5), "c");
  EXPECT_EQ(at(map, 6), "a");
}

TEST_F(SlotMapTest, NoMapAskedForBeforeAMovedUndoesIt) {
  map.moved(moved_to(5, c), start + 10s);
  EXPECT_TRUE(map.apply(halves, start + 9s).empty());
  EXPECT_EQ(at(map, 5), "c");
}

TEST_F(SlotMapTest, NorOneAskedForShortlyAfterFromANodeThatHasNotHeard) {
  map.moved(moved_to(5, c), start + 10s);
  EXPECT_TRUE(map.apply(halves, start + 11s).empty());
  EXPECT_EQ(at(map, 5), "c");
  EXPECT_EQ(map.apply(halves, start + 12s), std::vector<int>{5}) << "it may have moved back";
}

TEST_F(SlotMapTest, AnotherMovedUndoesItAtOnce) {
  map.moved(moved_to(5, c), start + 10s);
  EXPECT_TRUE(map.moved(moved_to(5, a), start + 10s));
  EXPECT_EQ(at(map, 5), "a");
}

TEST_F(SlotMapTest, AMovedToNobodyKnowsWhereLeavesTheSlotWhereItIs) {
  EXPECT_FALSE(map.moved({false, 5, {}}, start + 10s));
  EXPECT_EQ(at(map, 5), "a");
  const std::vector<SlotRange> all{{0, 16383, b, true}};
  EXPECT_EQ(map.apply(all, start + 10s).size(), 8192U);
}

TEST_F(SlotMapTest, NodesThatServeNothingAreForgotten) {
  for (int i = 0; i < 200'000; ++i) {
    const HostPort node{"node-" + std::to_string(i % 1000), 1 + i / 1000};
    map.moved(moved_to(i % 3, node), start);
    if (i % 1000 == 0) map.apply(halves, start + std::chrono::seconds(3 + i));
  }
  EXPECT_EQ(map.apply(halves, start + 300'000s).size(), 3U);
  EXPECT_EQ(map.masters(), (std::vector<HostPort>{a, b}));
}

class RefreshTimesTest : public ::testing::Test {
 protected:
  void ask_and_answer() {
    times.asked(now);
    times.answered(now, 0);
  }
  TimePoint now = start;
  RefreshTimes times{RefreshTimes::Options{}, start};
};

TEST_F(RefreshTimesTest, AsksAtOnceThenNowAndThen) {
  EXPECT_EQ(times.due(), start);
  times.asked(now);
  EXPECT_EQ(times.due(), TimePoint::max()) << "one question at a time";
  times.answered(now, 7);
  EXPECT_EQ(times.due(), start + 30s + 7ms);
}

TEST_F(RefreshTimesTest, AStormOfRedirectsAsksOnceASecond) {
  ask_and_answer();
  int questions = 0;
  for (int i = 0; i < 100'000; ++i, now += 100us) {
    times.want();
    if (now < times.due()) continue;
    ask_and_answer();
    ++questions;
  }
  EXPECT_EQ(questions, 9) << "in the 10 seconds after the first";
}

TEST_F(RefreshTimesTest, WhileANodeIsAwayItAsksMoreOften) {
  ask_and_answer();
  times.lost(now);
  EXPECT_EQ(times.due(), start + 250ms);
}

TEST_F(RefreshTimesTest, OneThatStaysAwayIsLookedForOnceASecond) {
  ask_and_answer();
  std::vector<std::int64_t> pauses;
  for (int i = 0; i < 65; ++i) {
    times.lost(now);
    const TimePoint due = times.due();
    pauses.push_back((due - now) / 1ms);
    now = due;
    ask_and_answer();
  }
  EXPECT_EQ(pauses.front(), 250);
  EXPECT_EQ(pauses.back(), 1000);
  EXPECT_EQ(std::ranges::count(pauses, 250), 61) << "for 15 s";
  // It came back; another one is away later.
  now = times.due();
  ask_and_answer();
  times.lost(now);
  EXPECT_EQ(times.due() - now, 250ms);
}

TEST_F(RefreshTimesTest, WhileNobodyAnswersItAsksEverMoreSeldom) {
  std::vector<std::int64_t> pauses;
  for (int i = 0; i < 8; ++i) {
    times.asked(now);
    times.failed(now, 0);
    const TimePoint due = times.due();
    pauses.push_back((due - now) / 1ms);
    now = due;
  }
  // The shortest pauses: half of 100, 200 ... 5000 ms; but 250 ms from question to question.
  EXPECT_EQ(pauses, (std::vector<std::int64_t>{250, 250, 250, 400, 800, 1600, 2500, 2500}));
  times.asked(now);
  times.answered(now, 0);
  EXPECT_EQ(times.due(), now + 30s);
}

}  // namespace
}  // namespace mx_rmq::redis
