#include <gtest/gtest.h>

#include "broker/data/snapshot_line.hpp"
#include "broker/topic_history.hpp"

namespace mx_rmq::broker {
namespace {

constexpr std::int64_t minute = 60'000;

SnapshotLine line(std::int64_t at, std::int64_t produced, std::int64_t waiting) {
  SnapshotLine out;
  out.at = at * minute;
  out.counters[0] = produced;
  out.waiting = waiting;
  return out;
}

TEST(SnapshotLines, AreReadAndWhatIsNoneIsNot) {
  const auto got = parse_snapshot("1700000040000 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18");
  ASSERT_TRUE(got);
  EXPECT_EQ(got->at, 1'700'000'040'000);
  EXPECT_EQ(got->counters.front(), 1);
  EXPECT_EQ(got->counters.back(), 13);
  EXPECT_EQ(got->waiting, 14);
  EXPECT_EQ(got->delayed, 15);
  EXPECT_EQ(got->dead_letters, 16);
  EXPECT_EQ(got->consumers, 17);
  EXPECT_EQ(got->oldest, 18);
  EXPECT_TRUE(parse_snapshot("0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 of a later version"));
  for (const char* bad : {"", "x", "1 2 3", "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18",
                          "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 -18",
                          "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18x",
                          "99999999999999999999 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18"})
    EXPECT_FALSE(parse_snapshot(bad)) << bad;
}

TEST(Histories, OfPartitionsBecomeOneAndQuietMinutesAreAsBefore) {
  const std::vector<std::vector<SnapshotLine>> parts{
      {line(10, 1, 5), line(12, 4, 0)}, {line(11, 10, 2), line(14, 20, 0)}, {}};
  const auto merged = merge_histories(parts, 0, 15 * minute, minute);
  ASSERT_EQ(merged.size(), 6U) << "from the first on that was noted";
  const std::int64_t produced[]{1, 11, 14, 14, 24, 24};
  const std::int64_t waiting[]{5, 7, 2, 2, 0, 0};
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(merged[i].at, (10 + static_cast<std::int64_t>(i)) * minute);
    EXPECT_EQ(merged[i].counters[0], produced[i]) << i;
    EXPECT_EQ(merged[i].waiting, waiting[i]) << i;
  }
  const auto late = merge_histories(parts, 13 * minute - 1, 13 * minute + 1, minute);
  ASSERT_EQ(late.size(), 1U);
  EXPECT_EQ(late[0].counters[0], 14) << "what was before the range counts";
  EXPECT_TRUE(merge_histories(parts, 0, 9 * minute, minute).empty());
  EXPECT_TRUE(merge_histories({{}}, 0, 9 * minute, minute).empty());
}

}  // namespace
}  // namespace mx_rmq::broker
