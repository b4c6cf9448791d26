#include "worker/prefetch.hpp"

#include <gtest/gtest.h>

namespace mx_rmq::worker {
namespace {

using namespace std::chrono_literals;
using runtime::Duration;
using runtime::TimePoint;

constexpr Duration lease = 30s;
constexpr TimePoint now(100s);

// Of five workers that each finish a message in such a time.
Pace pace_of(Duration handler) {
  Pace pace(5);
  pace.works(now - 20 * handler);
  for (int i = 0; i < 100; ++i) pace.ended(now);
  pace.works(now);
  return pace;
}

Prefetch after_claims(Duration round_trip, std::size_t bytes_each = 300,
                      Duration of_lease = lease) {
  Prefetch prefetch(of_lease);
  for (int i = 0; i < 100; ++i) prefetch.answered(round_trip, 10, 10 * bytes_each);
  return prefetch;
}

TEST(Prefetch, HoldsNothingAheadBeforeAnythingWasFinished) {
  Pace pace(5);
  pace.works(now - 1s);
  EXPECT_EQ(after_claims(500us).ahead(pace, 0, now), 0u);
}

TEST(Prefetch, HoldsWhatQuickHandlersFinishInTwentyMilliseconds) {
  const Prefetch prefetch = after_claims(500us);
  EXPECT_EQ(prefetch.horizon(), 20ms);
  EXPECT_NEAR(static_cast<double>(prefetch.ahead(pace_of(5ms), 0, now)), 20, 1);
  EXPECT_NEAR(static_cast<double>(prefetch.ahead(pace_of(100us), 0, now)), 1000, 20);
}

TEST(Prefetch, HoldsNothingAheadOfSlowHandlers) {
  EXPECT_EQ(after_claims(500us).ahead(pace_of(1s), 0, now), 0u);
  EXPECT_EQ(after_claims(500us).ahead(pace_of(200ms), 0, now), 0u);
}

TEST(Prefetch, IsBoundedByMessages) {
  EXPECT_EQ(after_claims(500us).ahead(pace_of(1us), 0, now), Prefetch::most_messages);
}

TEST(Prefetch, IsBoundedByBytes) {
  const Prefetch prefetch = after_claims(500us, 1 << 20);
  EXPECT_LE(prefetch.ahead(pace_of(1us), 0, now), Prefetch::most_bytes >> 20);
  EXPECT_GE(prefetch.ahead(pace_of(1us), 0, now), (Prefetch::most_bytes >> 20) - 2);
  EXPECT_LE(prefetch.ahead(pace_of(1us), Prefetch::most_bytes / 2, now),
            Prefetch::most_bytes >> 21);
  EXPECT_EQ(prefetch.ahead(pace_of(1us), Prefetch::most_bytes, now), 0u);
  EXPECT_EQ(prefetch.ahead(pace_of(1us), 2 * Prefetch::most_bytes, now), 0u);
}

TEST(Prefetch, LargeMessagesCountAtOnceSmallOnesByAndBy) {
  Prefetch prefetch = after_claims(500us, 300);
  prefetch.answered(500us, 2, 2 << 20);
  EXPECT_LE(prefetch.ahead(pace_of(1us), 0, now), Prefetch::most_bytes >> 20);
  prefetch.answered(500us, 0, 0);
  EXPECT_LE(prefetch.ahead(pace_of(1us), 0, now), Prefetch::most_bytes >> 20);
  for (int i = 0; i < 100; ++i) prefetch.answered(500us, 10, 3000);
  EXPECT_EQ(prefetch.ahead(pace_of(1us), 0, now), Prefetch::most_messages);
}

TEST(Prefetch, HoldsMoreWhereRoundTripsAreLong) {
  const Prefetch prefetch = after_claims(50ms);
  EXPECT_NEAR(static_cast<double>(prefetch.horizon() / 1ms), 200, 2);
  EXPECT_EQ(after_claims(10s).horizon(), 1s) << "not for ever";
}

TEST(Prefetch, HoldsLittleBesideTheLease) {
  EXPECT_EQ(after_claims(1s, 300, 800ms).horizon(), 100ms);
  EXPECT_EQ(after_claims(1ms, 300, 80ms).horizon(), 10ms);
}

TEST(Prefetch, NoticesThatHandlersHaveBecomeSlow) {
  const Prefetch prefetch = after_claims(500us);
  const Pace pace = pace_of(100us);
  const std::size_t held = prefetch.ahead(pace, 0, now);
  EXPECT_FALSE(prefetch.too_many(held, pace, now));
  EXPECT_FALSE(prefetch.too_many(0, pace, now + 1h));
  EXPECT_TRUE(prefetch.too_many(held, pace, now + 250ms)) << "nothing ended since";
  EXPECT_FALSE(prefetch.too_many(1, pace, now + 250ms)) << "one is begun soon all the same";
  EXPECT_TRUE(prefetch.too_many(1, pace, now + 1s)) << "it waited for as long";
  EXPECT_FALSE(prefetch.too_many(0, pace, now + 1s));
}

TEST(Prefetch, IsPatientWhereRoundTripsAreLong) {
  const Prefetch prefetch = after_claims(300ms);
  const Pace pace = pace_of(10ms);
  const std::size_t held = prefetch.ahead(pace, 0, now);
  EXPECT_GE(held, 490u);
  EXPECT_FALSE(prefetch.too_many(held, pace, now));
}

}  // namespace
}  // namespace mx_rmq::worker
