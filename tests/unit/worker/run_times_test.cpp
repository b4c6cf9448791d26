#include "worker/run_times.hpp"

#include <gtest/gtest.h>

#include <chrono>

namespace mx_rmq::worker {
namespace {

using namespace std::chrono_literals;

const runtime::TimePoint t0{1000s};

TEST(RunTimes, GivesMeanAndLongest) {
  RunTimes times;
  EXPECT_EQ(times.average_ms(), 0);
  EXPECT_EQ(times.longest_ms(), 0);
  times.add(10ms);
  times.add(30ms);
  times.add(20ms);
  EXPECT_DOUBLE_EQ(times.average_ms(), 20);
  EXPECT_DOUBLE_EQ(times.longest_ms(), 30);
}

TEST(Throughput, IsZeroBeforeAnything) {
  Throughput throughput;
  EXPECT_EQ(throughput.per_minute(t0), 0);
  throughput.start(t0);
  EXPECT_EQ(throughput.per_minute(t0 + 5s), 0);
}

TEST(Throughput, ScalesUpWhatALessThanAMinuteShows) {
  Throughput throughput;
  throughput.start(t0);
  throughput.add(t0 + 10s, 5);
  EXPECT_DOUBLE_EQ(throughput.per_minute(t0 + 30s), 10);
}

TEST(Throughput, CountsTheLastMinuteOnly) {
  Throughput throughput;
  throughput.start(t0);
  throughput.add(t0, 100);
  throughput.add(t0 + 50s, 7);
  EXPECT_DOUBLE_EQ(throughput.per_minute(t0 + 100s), 7);
  EXPECT_DOUBLE_EQ(throughput.per_minute(t0 + 200s), 0);
}

TEST(Throughput, ASecondIsNotCountedTwiceAfterAPauseOfManyMinutes) {
  Throughput throughput;
  throughput.add(t0, 3);
  throughput.add(t0 + 600s, 4);
  EXPECT_DOUBLE_EQ(throughput.per_minute(t0 + 600s), 4);
  throughput.add(t0 + 601s, 1);
  EXPECT_DOUBLE_EQ(throughput.per_minute(t0 + 601s), 5);
}

}  // namespace
}  // namespace mx_rmq::worker
