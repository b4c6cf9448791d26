#include "runtime/backoff.hpp"

#include <gtest/gtest.h>

#include <chrono>

namespace mx_rmq::runtime {
namespace {

using namespace std::chrono_literals;

TEST(Backoff, DoublesUpToTheLongestPause) {
  Backoff backoff(10ms, 50ms);
  EXPECT_EQ(backoff.next(), 10ms);
  EXPECT_EQ(backoff.next(), 20ms);
  EXPECT_EQ(backoff.next(), 40ms);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(backoff.next(), 50ms);
}

TEST(Backoff, BeginsAnewAfterAReset) {
  Backoff backoff(10ms, 1s);
  for (int i = 0; i < 5; ++i) static_cast<void>(backoff.next());
  backoff.reset();
  EXPECT_EQ(backoff.next(), 10ms);
}

TEST(Backoff, SofteningShortensLongPausesOnly) {
  Backoff backoff(10ms, 1s);
  backoff.soften(2);
  EXPECT_EQ(backoff.next(), 10ms);
  for (int i = 0; i < 5; ++i) static_cast<void>(backoff.next());
  backoff.soften(2);
  EXPECT_EQ(backoff.next(), 40ms);
}

TEST(Backoff, JitterReachesDownToHalfThePause) {
  constexpr std::uint64_t half = 5'000'000;  // ns
  EXPECT_EQ(Backoff(10ms, 1s).next(0), 5ms);
  EXPECT_EQ(Backoff(10ms, 1s).next(half), 10ms);
  EXPECT_EQ(Backoff(10ms, 1s).next(half + 1), 5ms);
}

TEST(Backoff, ALongestPauseBelowTheFirstCountsAsTheFirst) {
  Backoff backoff(10ms, 1ms);
  EXPECT_EQ(backoff.next(), 10ms);
  EXPECT_EQ(backoff.next(), 10ms);
}

}  // namespace
}  // namespace mx_rmq::runtime
