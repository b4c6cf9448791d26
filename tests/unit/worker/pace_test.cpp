#include "worker/pace.hpp"

#include <gtest/gtest.h>

namespace mx_rmq::worker {
namespace {

using namespace std::chrono_literals;
using runtime::Duration;
using runtime::TimePoint;

constexpr std::size_t workers = 5;

// So many end together each time, that far apart.
void work(Pace& pace, TimePoint& now, int times, int together, Duration apart) {
  pace.works(now);
  for (int i = 0; i < times; ++i) {
    now += apart;
    for (int each = 0; each < together; ++each) pace.ended(now);
    pace.works(now);
  }
}

TEST(Pace, KnowsNothingAtFirst) {
  Pace pace(workers);
  EXPECT_EQ(pace.in(1h, TimePoint(1s)), 0);
  pace.works(TimePoint(1s));
  EXPECT_EQ(pace.in(1h, TimePoint(2s)), 0);
}

TEST(Pace, IsWhatEndsInATime) {
  Pace pace(workers);
  TimePoint now(1s);
  work(pace, now, 10, 1, 10ms);
  EXPECT_NEAR(pace.in(1s, now), 100, 1);
  EXPECT_NEAR(pace.in(20ms, now), 2, 0.1);
}

TEST(Pace, HandlersThatEndTogetherMakeNoBurst) {
  Pace pace(100);
  TimePoint now(1s);
  work(pace, now, 1, 100, 1s);
  for (int round = 0; round < 20; ++round) {
    EXPECT_NEAR(pace.in(1s, now), 100, 30) << round;
    now += 1s;
    // Not even while they do, each a little later than the one before.
    for (int each = 0; each < 100; ++each) {
      pace.ended(now);
      now += 10us;
      pace.works(now);
      EXPECT_LT(pace.in(1s, now), 130) << round << ' ' << each;
    }
  }
}

TEST(Pace, TimesWithoutWorkDoNotCount) {
  Pace pace(workers);
  TimePoint now(1s);
  work(pace, now, 10, 1, 10ms);
  pace.rests(now);
  now += 1h;
  EXPECT_NEAR(pace.in(1s, now), 100, 1);
  work(pace, now, 10, 1, 10ms);
  EXPECT_NEAR(pace.in(1s, now), 100, 1);
}

TEST(Pace, FallsWhileNothingEnds) {
  Pace pace(workers);
  TimePoint now(1s);
  work(pace, now, 1000, 1, 10us);
  EXPECT_NEAR(pace.in(1s, now), 100'000, 1000);
  EXPECT_LE(pace.in(1s, now + 250ms), 4 * workers);
  EXPECT_LT(pace.in(1s, now + 10s), 1);
  EXPECT_EQ(pace.silent_for(now + 250ms), 250ms);
  pace.rests(now + 1s);
  EXPECT_EQ(pace.silent_for(now + 2s), 0ms);
}

TEST(Pace, DoesNotFallBetweenHandlersThatEndTogether) {
  Pace pace(workers);
  TimePoint now(1s);
  work(pace, now, 10, workers, 100ms);
  EXPECT_NEAR(pace.in(1s, now + 99ms), 47, 3);
}

TEST(Pace, APauseBeforeIsNoPauseOfTheHandlers) {
  Pace pace(workers);
  TimePoint now(1s);
  work(pace, now, 1000, 1, 10us);
  pace.rests(now);
  now += 1h;
  pace.works(now);
  EXPECT_NEAR(pace.in(1s, now + 1us), 100'000, 1000);
}

TEST(Pace, ForgetsWhatWasBefore) {
  Pace pace(workers);
  TimePoint now(1s);
  work(pace, now, 100, 1, 1s);
  EXPECT_NEAR(pace.in(1s, now), 1, 0.1);
  work(pace, now, 2000, 1, 1ms);
  EXPECT_NEAR(pace.in(1s, now), 1000, 20) << "slow ones";
  work(pace, now, 200, 1, 1s);
  EXPECT_NEAR(pace.in(1s, now), 1, 0.5) << "quick ones";
}

TEST(Pace, WhatTakesNoTimeIsNotEndless) {
  Pace pace(workers);
  const TimePoint now(1s);
  pace.works(now);
  pace.ended(now);
  pace.rests(now);
  EXPECT_LE(pace.in(1us, now), 1.01);
}

}  // namespace
}  // namespace mx_rmq::worker
