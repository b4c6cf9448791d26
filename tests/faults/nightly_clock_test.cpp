// The wall clock of the server is set, forward and back by an hour, while everybody works.
#include <algorithm>
#include <cstdlib>

#include "faults/dial.hpp"
#include "faults/load.hpp"

namespace mx_rmq::faults {
namespace {

constexpr std::int64_t one_hour = 3600;  // s

class ServerClockSet : public ::testing::Test {
 protected:
  ArenaOptions clock_options(const std::string& name) {
    ArenaOptions options = arena_options(name);
    options.redis.environment = {Dial::preload("setclock"), clock_.variable()};
    options.history = true;
    return options;
  }
  static std::int64_t server_time(Arena& arena) {
    return arena.server().command({"TIME"})[0].num();
  }
  // Sets the server's clock `seconds` off the right time.
  void set_clock(Arena& arena, std::int64_t seconds) {
    const auto before = server_time(arena);
    arena.begin(Fault::server_clock);
    clock_.set(seconds);
    const auto moved = server_time(arena) - before;
    const auto wanted = seconds - offset_;
    EXPECT_LE(std::abs(moved - wanted), 60) << "the server's clock must have been set";
    offset_ = seconds;
  }
  static std::int64_t delayed(Arena& arena) {
    std::int64_t sum = 0;
    for (const auto& topic : arena.options().topics)
      sum += arena.server().command({"ZCARD", "mx:{" + topic + "}:delayed"}).num();
    return sum;
  }

  Dial clock_;
  std::int64_t offset_ = 0;
};

TEST_F(ServerClockSet, B9_costs_leases_but_holds_up_nothing_else) {
  ArenaOptions options = clock_options("B9 server's clock set by an hour, to and fro");
  options.producer_arguments = {"concurrency=10", "chosen=0.1", "ranked=0.1", "pause_us=5000"};
  options.worker_arguments = {"sleep_us=0:10000"};
  Arena arena(options);
  // There and back again, each followed by the death of one who holds messages.
  const std::vector<std::int64_t> places{one_hour, 0, -one_hour, 0, one_hour, -one_hour, 0};
  under_load(arena, static_cast<int>(places.size()), [&](int i) {
    set_clock(arena, places[static_cast<std::size_t>(i)]);
    arena.kill_worker(arena.dice().next() % 2);
    EXPECT_TRUE(wait_progress(arena)) << arena.output();
    arena.end(Fault::server_clock);
  });
  // Leases of the dead that were given out by the clock that was ahead last that hour.
  set_clock(arena, one_hour + 10);
  arena.end(Fault::server_clock);
  const Verdict verdict =
      verdict_of(arena, {"server clock", "kill worker", "redelivery", "audits", "server history"});
  EXPECT_EQ(verdict.refused + verdict.unknown, 0) << "no produce call fails";
}

// Whoever dies holding messages while the clock is ten hours ahead holds them for one hour at most.
TEST_F(ServerClockSet, B9_a_lease_in_the_far_future_is_cut) {
  ArenaOptions options = clock_options("B9 server's clock set back by ten hours");
  options.worker_arguments = {"sleep_us=0:10000"};
  options.producer_arguments = {"concurrency=10", "pause_us=5000"};
  Arena arena(options);
  // In s from now: the lease that ends last.
  const auto furthest = [&] {
    double latest = 0;
    for (const auto& topic : arena.options().topics) {
      const auto rows = arena.server().command(
          {"ZRANGE", "mx:{" + topic + "}:consumers", "-1", "-1", "WITHSCORES"});
      if (rows.list().size() == 2) latest = std::max(latest, std::stod(rows[1].str()));
    }
    return latest / 1000 - static_cast<double>(server_time(arena));
  };
  under_load(arena, 1, [&](int) {
    set_clock(arena, 10 * one_hour);
    EXPECT_TRUE(wait_progress(arena)) << arena.output();
    // Of the clock as it is: the next sweep cuts what is too long by the clock that is set back.
    EXPECT_GT(furthest(), 0.0) << "somebody has a lease";
    arena.kill_worker(0);
    set_clock(arena, 0);
    EXPECT_TRUE(test::wait_for(
        30s, [&] { return furthest() < one_hour + 60; }, 20ms))
        << arena.output();
    EXPECT_TRUE(wait_progress(arena)) << arena.output();
    arena.end(Fault::server_clock);
  });
  set_clock(arena, one_hour + 60);
  arena.end(Fault::server_clock);
  verdict_of(arena, {"server clock", "kill worker", "redelivery", "audits", "server history"});
}

TEST_F(ServerClockSet, B9_delays_last_no_longer_than_the_jump) {
  ArenaOptions options = clock_options("B9 server's clock set, delays and retries");
  options.producer_arguments = {"concurrency=10", "chosen=0.1", "delayed=0.3", "delay_ms=20:2000",
                                "pause_us=5000"};
  options.worker_arguments = {"sleep_us=0:2000", "throw=0.1"};
  Arena arena(options);
  // Forward: what is due in the next hour is due at once, so that after a while nothing is left
  // that was delayed before; back: all that waits has an hour more to wait.
  under_load(arena, 4, [&](int i) {
    set_clock(arena, i % 2 == 0 ? one_hour : 0);
    EXPECT_TRUE(wait_progress(arena)) << "what is ready is handled meanwhile\n" << arena.output();
    arena.end(Fault::server_clock);
  });
  for (auto& each : arena.producers()) each->process.signal(SIGTERM);
  for (auto& each : arena.producers()) ASSERT_TRUE(each->process.wait(60s));
  const auto held_up = delayed(arena);
  EXPECT_GT(held_up, 0) << "the clock was set back with delayed messages there";
  // The hour passes.
  set_clock(arena, one_hour + 10);
  EXPECT_TRUE(test::wait_for(
      60s, [&] { return delayed(arena) == 0; }, 20ms))
      << arena.output();
  arena.end(Fault::server_clock);
  arena.see("held up by the clock", held_up);
  const Verdict verdict = verdict_of(
      arena, {"server clock", "held up by the clock", "redelivery", "audits", "server history"});
  EXPECT_TRUE(verdict.explained.contains("retry")) << verdict.text();
}

}  // namespace
}  // namespace mx_rmq::faults
