#include "worker/claim_size.hpp"

#include <gtest/gtest.h>

namespace mx_rmq::worker {
namespace {

using namespace std::chrono_literals;
using Size = ClaimSize::Size;
using runtime::TimePoint;

constexpr std::size_t mebibyte = std::size_t{1} << 20;
constexpr Size full_size{100, 4 * mebibyte};

TEST(ClaimSize, AsksForWhatIsWantedWhileClaimsAreAnswered) {
  ClaimSize size(full_size);
  EXPECT_EQ(size.of(8), (Size{8, 4 * mebibyte}));
  EXPECT_EQ(size.of(500), full_size);
  EXPECT_EQ(size.of(0).messages, 0);
  size.answered(size.of(8), TimePoint(1s));
  EXPECT_EQ(size.of(500), full_size);
}

TEST(ClaimSize, AsksForHalfOfWhatWasNotAnsweredDownToOneMessage) {
  ClaimSize size(full_size);
  size.unanswered(size.of(20), TimePoint(1s));
  EXPECT_EQ(size.of(20), (Size{10, 2 * mebibyte}))
      << "half of what was asked for, not of what might be";
  size.unanswered(size.of(20), TimePoint(1s));
  EXPECT_EQ(size.of(20), (Size{5, mebibyte}));
  for (int i = 0; i < 40; ++i) size.unanswered(size.of(20), TimePoint(1s));
  EXPECT_EQ(size.of(20), (Size{1, 1}));
  EXPECT_TRUE(size.smallest());
}

TEST(ClaimSize, AClaimOfNothingTellsNothing) {
  ClaimSize size(full_size);
  size.unanswered(size.of(0), TimePoint(1s));
  EXPECT_EQ(size.of(100), full_size);
  size.unanswered(size.of(100), TimePoint(1s));
  size.answered(size.of(0), TimePoint(100s));
  EXPECT_EQ(size.of(100).messages, 50);
}

TEST(ClaimSize, GrowsBackSlowly) {
  ClaimSize size(full_size);
  for (int i = 0; i < 10; ++i) size.unanswered(size.of(100), TimePoint(1s));
  size.answered(size.of(100), TimePoint(1900ms));
  EXPECT_EQ(size.of(100).messages, 1) << "not at once";
  int steps = 0;
  TimePoint now(2s);
  for (; size.of(100) != full_size && steps < 100; ++steps, now += 1s) {
    const int before = size.of(100).messages;
    size.answered(size.of(100), now);
    EXPECT_LE(size.of(100).messages, 2 * before);
    size.answered(size.of(100), now + 900ms);  // within the same wait
    EXPECT_LE(size.of(100).messages, 2 * before);
  }
  EXPECT_GE(steps, 7);
  EXPECT_LT(steps, 40);
}

TEST(ClaimSize, TriesASizeThatFailsEverMoreSeldom) {
  ClaimSize size(full_size);
  const auto too_large = [](Size asked) { return asked.messages > 4; };
  int failed = 0;
  for (TimePoint now(0s); now < TimePoint(10min); now += 10ms) {
    const Size asked = size.of(100);
    if (too_large(asked)) {
      ++failed;
      size.unanswered(asked, now);
    } else {
      size.answered(asked, now);
    }
  }
  EXPECT_GE(failed, 6);  // 100, 50, 25, 12, 6, and then now and again
  EXPECT_LE(failed, 20);
  // What it can have it keeps asking for.
  EXPECT_GE(size.of(100).messages, 3);
}

TEST(ClaimSize, AnAccidentOnTheWayBackDoesNotSlowTheNextWayBack) {
  ClaimSize size(full_size);
  size.unanswered(size.of(100), TimePoint(1s));
  TimePoint now(2s);
  size.answered(size.of(100), now);    // raised to 100
  size.answered(size.of(100), now);    // which works
  size.unanswered(size.of(100), now);  // a connection was lost
  size.answered(size.of(100), now + 1s);
  EXPECT_EQ(size.of(100), full_size);
}

}  // namespace
}  // namespace mx_rmq::worker
