// Topics that get more partitions while processes work on them, and what befalls these.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "faults/load.hpp"

namespace mx_rmq::faults {

inline ArenaOptions with_partitions(const std::string& name, int partitions) {
  ArenaOptions options = arena_options(name);
  options.partitions = partitions;
  options.redis.appendonly = true;
  options.redis.appendfsync = "always";
  options.producer_arguments = {"concurrency=10", "chosen=0.1", "keyed=0.3", "delayed=0.1",
                                "pause_us=5000"};
  return options;
}

// Until it is so, whatever befalls the server meanwhile.
inline bool wait_setting(Arena& arena, std::size_t topic, const std::string& name, int wanted) {
  const std::string tag = arena.tag(0, topic);
  return test::wait_for(
      60s,
      [&] {
        const auto value =
            arena.server_of(tag).command({"HGET", "mx:{" + tag + "}:settings", name});
        return !value.is_nil() && value.str() == std::to_string(wanted);
      },
      20ms);
}

inline void configure(Arena& arena, int partitions) {
  for (const std::string& topic : arena.options().topics)
    sync_wait(arena.queue().configure(topic, TopicSettings{}.partitions(partitions)));
}

// Those that are produced to. Keys and chosen ids still go by the number before.
inline void expect_active(Arena& arena, int partitions) {
  for (std::size_t topic = 0; topic < arena.options().topics.size(); ++topic)
    EXPECT_TRUE(wait_setting(arena, topic, "active", partitions)) << arena.output();
}

// Ends producing, and waits until nothing is in work.
inline void quiesce(Arena& arena) {
  for (auto& each : arena.producers()) each->process.signal(SIGTERM);
  EXPECT_TRUE(arena.drain()) << arena.output();
}

// Keys and ids count as in work for longer than a test lasts: as if that time had passed since
// quiesce(). They go by the new number then.
inline void move_ids(Arena& arena, int partitions) {
  for (std::size_t topic = 0; topic < arena.options().topics.size(); ++topic) {
    for (int i = 0; i < partitions; ++i) {
      const std::string tag = arena.tag(i, topic);
      arena.server_of(tag).command({"HDEL", "mx:{" + tag + "}:settings", "ids_until"});
    }
    EXPECT_TRUE(wait_setting(arena, topic, "ids_active", partitions)) << arena.output();
  }
}

// By and by, while there are producers.
inline void expect_all_used(Arena& arena, int partitions) {
  for (std::size_t topic = 0; topic < arena.options().topics.size(); ++topic) {
    for (int i = 0; i < partitions; ++i) {
      const std::string tag = arena.tag(i, topic);
      EXPECT_TRUE(test::wait_for(60s, [&] { return arena.stat_at(tag, "produced") > 0; })) << tag;
    }
  }
}

}  // namespace mx_rmq::faults
