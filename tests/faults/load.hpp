// Two workers and two producers that work without an end, and what is asked of them afterwards.
#pragma once

#include <gtest/gtest.h>

#include <csignal>
#include <functional>
#include <string>
#include <utility>

#include "faults/arena.hpp"

namespace mx_rmq::faults {

inline ArenaOptions arena_options(const std::string& name) {
  ArenaOptions options;
  options.name = name;
  options.worker_arguments = {"sleep_us=0:2000"};
  options.worker_environment = {"MQ_TASK_QUEUE_SIZE=32"};
  options.producer_arguments = {"concurrency=10", "chosen=0.1", "delayed=0.1", "pause_us=5000"};
  return options;
}

// Work goes on: so many messages more are acknowledged and handled.
inline bool wait_progress(Arena& arena, std::int64_t messages = 200) {
  const auto acknowledged = arena.acknowledged();
  const auto handled = arena.handled();
  return test::wait_for(
      60s,
      [&] {
        return arena.acknowledged() > acknowledged + messages &&
               arena.handled() > handled + messages;
      },
      5ms);
}

// Two workers and two producers under way; `inject` each time that work has gone on for a while.
inline void under_load(Arena& arena, int times, const std::function<void(int)>& inject) {
  for (int i = 0; i < 2; ++i) arena.add_worker();
  for (int i = 0; i < 2; ++i) arena.add_producer(10'000'000);  // until SIGTERM
  for (int i = 0; i < times; ++i) {
    ASSERT_TRUE(wait_progress(arena)) << "after fault " << i << '\n' << arena.output();
    inject(i);
  }
  EXPECT_TRUE(test::wait_for(60s, [&] { return arena.has_seen("audits"); })) << arena.output();
}

inline Verdict verdict_of(Arena& arena, Strings must_see, std::chrono::nanoseconds forgets = 0s) {
  for (auto& each : arena.producers()) each->process.signal(SIGTERM);
  arena.heal();
  EXPECT_TRUE(arena.drain());
  Verdict verdict = arena.finish({0s, forgets, std::move(must_see)});
  EXPECT_TRUE(verdict.holds()) << verdict.text() << arena.output();
  EXPECT_GT(verdict.acknowledged, 400);
  return verdict;
}

}  // namespace mx_rmq::faults
