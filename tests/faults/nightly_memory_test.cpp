// redis-server stands still while far more is produced than the program may hold: the memory of the
// producer stays bounded, every call is answered, and what became of each is known afterwards.
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "faults/load.hpp"

namespace mx_rmq::faults {
namespace {

// Resident memory of a process, in bytes.
std::int64_t resident(std::uint64_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/statm");
  std::int64_t all = 0;
  std::int64_t pages = 0;
  file >> all >> pages;
  EXPECT_TRUE(file) << "no such process: " << pid;
  return pages * ::sysconf(_SC_PAGESIZE);
}

TEST(NightlyF, F7_a_server_that_stands_still_fills_no_memory) {
  constexpr std::int64_t piece = 20'000;    // characters of a payload, at least bytes
  constexpr std::int64_t attempts = 5'000;  // 100 MB
  constexpr std::int64_t bound = 40'000'000;
  ArenaOptions options;
  options.name = "F7 server stopped, 100 MB produced";
  options.producer_environment = {"MQ_MAX_PENDING_PRODUCES=200", "MQ_PRODUCE_TIMEOUT=2s",
                                  "MQ_COMMAND_TIMEOUT=1s"};
  options.producer_arguments = {"concurrency=400", "size=" + std::to_string(piece),
                                "pause_us=500000"};
  Arena arena(options);
  for (int i = 0; i < 2; ++i) arena.add_worker();
  arena.add_producer(10'000'000);  // until SIGTERM
  auto& producer = *arena.producers()[0];
  ASSERT_TRUE(wait_progress(arena, 300)) << arena.output();

  const std::int64_t before = resident(producer.pid());
  const std::int64_t begun = producer.tail->count(Op::produce_begins);
  const std::int64_t unknown = producer.tail->count(Op::unknown);
  const std::int64_t refused = producer.tail->count(Op::refused);
  std::int64_t most = before;
  arena.begin(Fault::pause_server);
  arena.server().pause();
  EXPECT_TRUE(test::wait_for(
      120s,
      [&] {
        most = std::max(most, resident(producer.pid()));
        return producer.tail->count(Op::produce_begins) > begun + attempts &&
               producer.tail->count(Op::unknown) > unknown;
      },
      10ms))
      << producer.tail->count(Op::produce_begins) - begun << " calls\n"
      << arena.output();
  arena.server().resume();
  arena.end(Fault::pause_server);
  std::printf("    %ld MB produced, %ld MB resident before and at most %ld MB meanwhile\n",
              (producer.tail->count(Op::produce_begins) - begun) * piece / 1'000'000,
              before / 1'000'000, most / 1'000'000);
  EXPECT_LT(most - before, bound);
  EXPECT_GT(producer.tail->count(Op::refused), refused + attempts / 2) << "told to wait";
  ASSERT_TRUE(wait_progress(arena, 300)) << "it goes on\n" << arena.output();
  verdict_of(arena, {"pause server", "refused"});
}

}  // namespace
}  // namespace mx_rmq::faults
