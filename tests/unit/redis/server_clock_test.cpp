#include "redis/connection/server_clock.hpp"

#include <gtest/gtest.h>

#include <random>

namespace mx_rmq::redis {
namespace {

using namespace std::chrono_literals;

struct Loop {
  TimePoint time{std::chrono::hours(100)};
  TimePoint now() const { return time; }
  std::chrono::system_clock::time_point wall() const {
    return std::chrono::system_clock::time_point(std::chrono::hours(480'000));
  }
};

// A server whose clock is `offset` ahead of ours and runs `ppm` faster.
struct World {
  Loop loop;
  std::chrono::nanoseconds offset = std::chrono::hours(400'000);
  double ppm = 0;
  TimePoint start = loop.time;

  std::int64_t server_ns() const {
    const auto run = (loop.time - start).count();
    return (loop.time.time_since_epoch() + offset).count() +
           static_cast<std::int64_t>(static_cast<double>(run) * ppm / 1e6);
  }
  std::int64_t server_ms() const { return server_ns() / 1'000'000; }
  void exchange(ServerClock& clock, std::chrono::nanoseconds there, std::chrono::nanoseconds back) {
    const TimePoint sent = loop.time;
    loop.time += there;
    const std::int64_t told = server_ms();
    loop.time += back;
    clock.observe(told, sent, loop.time);
  }
};

TEST(ServerClock, IsUnknownAtFirstAndThenUsesTheWallClock) {
  World world;
  const ServerClock clock(world.loop);
  EXPECT_FALSE(clock.known());
  const auto wall =
      std::chrono::duration_cast<std::chrono::milliseconds>(world.loop.wall().time_since_epoch());
  EXPECT_EQ(clock.now_ms(), wall.count());
}

TEST(ServerClock, IsRightWithinItsOwnBound) {
  World world;
  ServerClock clock(world.loop);
  std::mt19937_64 random(3);
  for (int i = 0; i < 10'000; ++i) {
    world.loop.time += std::chrono::microseconds(random() % 5000);
    world.exchange(clock, std::chrono::microseconds(20 + random() % 20'000),
                   std::chrono::microseconds(20 + random() % 20'000));
    const double error = static_cast<double>(clock.now_ms() - world.server_ms()) * 1e6;
    ASSERT_LE(std::abs(error), static_cast<double>(clock.uncertainty().count()) + 1e6) << i;
  }
  EXPECT_EQ(clock.steps(), 0U);
  EXPECT_LT(clock.uncertainty(), 1ms) << "the best exchanges decide";
}

TEST(ServerClock, TheLatestTimeIsNotBeforeTheServersAndHardlyAfterIt) {
  std::mt19937_64 random(5);
  for (int world_number = 0; world_number < 200; ++world_number) {
    World world;
    world.offset += std::chrono::microseconds(random() % 1000);
    ServerClock clock(world.loop);
    for (int i = 0; i < 50; ++i) {
      world.loop.time += std::chrono::microseconds(random() % 5000);
      world.exchange(clock, std::chrono::microseconds(20 + random() % 400),
                     std::chrono::microseconds(20 + random() % 400));
      const auto ahead = clock.latest_ms() * 1'000'000 - world.server_ns();
      ASSERT_GE(ahead, 0) << i;
      ASSERT_LE(ahead, 3'000'000) << i;
    }
  }
}

TEST(ServerClock, ASlowExchangeDoesNotSpoilAGoodEstimate) {
  World world;
  ServerClock clock(world.loop);
  world.exchange(clock, 50us, 50us);
  world.exchange(clock, 3s, 10us);
  EXPECT_NEAR(static_cast<double>(clock.now_ms()), static_cast<double>(world.server_ms()), 4.0);
}

TEST(ServerClock, FollowsAClockThatRunsAtAnotherRate) {
  for (const double ppm : {-400.0, 400.0}) {
    World world;
    world.ppm = ppm;
    ServerClock clock(world.loop);
    for (int i = 0; i < 3600; ++i) {
      world.loop.time += 1s;
      world.exchange(clock, 100us, 100us);
      ASSERT_NEAR(static_cast<double>(clock.now_ms()), static_cast<double>(world.server_ms()), 2.0);
    }
    EXPECT_EQ(clock.steps(), 0U);
  }
}

TEST(ServerClock, FollowsAStepOfTheServersClockEitherWay) {
  for (const auto step : {std::chrono::nanoseconds(-1h), std::chrono::nanoseconds(1h)}) {
    World world;
    ServerClock clock(world.loop);
    world.exchange(clock, 100us, 100us);
    world.offset += step;
    world.exchange(clock, 100us, 100us);
    EXPECT_NEAR(static_cast<double>(clock.now_ms()), static_cast<double>(world.server_ms()), 2.0);
    EXPECT_EQ(clock.steps(), 1U);
  }
}

TEST(ServerClock, TurnsServerTimesIntoOurs) {
  World world;
  ServerClock clock(world.loop);
  world.exchange(clock, 100us, 100us);
  const TimePoint at = clock.to_mono(world.server_ms() + 60'000);
  EXPECT_NEAR(std::chrono::duration<double>(at - world.loop.time).count(), 60.0, 0.003);
  const TimePoint past = clock.to_mono(0);
  EXPECT_LT(past, world.loop.time);
  static_cast<void>(clock.to_mono(INT64_MAX));
  static_cast<void>(clock.to_mono(INT64_MIN));
}

TEST(ServerClock, IgnoresWhatCannotBe) {
  World world;
  ServerClock clock(world.loop);
  clock.observe(0, world.loop.time, world.loop.time);
  clock.observe(-5, world.loop.time, world.loop.time);
  clock.observe(INT64_MAX, world.loop.time, world.loop.time);
  clock.observe(1'000'000, world.loop.time, world.loop.time - 1s);
  EXPECT_FALSE(clock.known());
}

}  // namespace
}  // namespace mx_rmq::redis
