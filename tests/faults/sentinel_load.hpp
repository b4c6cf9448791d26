// A queue under load behind Sentinels, its failovers, and a client that does not follow them.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

#include "faults/arena.hpp"
#include "faults/load.hpp"
#include "faults/staying_client.hpp"

namespace mx_rmq::faults {

inline ArenaOptions behind_sentinels(const std::string& name) {
  ArenaOptions options = arena_options(name);
  options.sentinels.emplace();
  return options;
}

// After a server was promoted: how long until messages are produced and handled there.
inline std::chrono::milliseconds time_to_go_on(Arena& arena, test::RedisServer& promoted) {
  const auto began = test::WaitClock::now();
  const auto counted = [&](const char* what) {
    const test::Value value = promoted.command({"HGET", "mx:{jobs}:stats", what});
    return value.is_nil() ? 0 : value.num();
  };
  const auto produced = counted("produced");
  const auto completed = counted("completed");
  const bool goes_on = test::wait_for(std::chrono::seconds(30), [&] {
    return counted("produced") > produced + 10 && counted("completed") > completed + 10;
  });
  EXPECT_TRUE(goes_on) << arena.output() << arena.sentinels().logs();
  return std::chrono::duration_cast<std::chrono::milliseconds>(test::WaitClock::now() - began);
}

inline void tell(const std::string& what, std::int64_t value) {
  std::printf("    %s: %lld\n", what.c_str(), static_cast<long long>(value));
}

// Workers and producers, until they have got going.
inline void begin_load(Arena& arena) {
  for (int i = 0; i < 2; ++i) arena.add_worker();
  for (int i = 0; i < 2; ++i) arena.add_producer(10'000'000);  // until SIGTERM
  ASSERT_TRUE(wait_progress(arena)) << arena.output();
}

// Ends producing, drains, judges. What was acknowledged so shortly before or in a failover may be
// forgotten by it.
inline Verdict end_load(Arena& arena, std::chrono::nanoseconds forgets) {
  for (auto& each : arena.producers()) each->process.signal(SIGTERM);
  arena.heal();
  EXPECT_TRUE(arena.drain());
  Verdict verdict = arena.finish({0s, forgets, {}});
  EXPECT_TRUE(verdict.holds()) << verdict.text() << arena.output();
  tell("acknowledged", verdict.acknowledged);
  tell("forgotten by failovers", verdict.forgotten);
  return verdict;
}

}  // namespace mx_rmq::faults
