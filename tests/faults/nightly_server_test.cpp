// A server that comes back empty, or with a snapshot; that is emptied; whose disk is full; that
// takes no more connections.
#include <algorithm>
#include <charconv>

#include "faults/dial.hpp"
#include "faults/load.hpp"
#include "faults/support.hpp"

namespace mx_rmq::faults {
namespace {

// A number of INFO.
std::int64_t info(test::RedisClient& client, const std::string& section, const std::string& name) {
  const std::string text = client.command({"INFO", section}).str();
  const std::size_t at = text.find('\n' + name + ':');
  std::int64_t value = -1;
  if (at != std::string::npos)
    std::from_chars(text.data() + at + name.size() + 2, text.data() + text.size(), value);
  return value;
}

// Calls that ended in an error, of all producers.
std::int64_t refused(Arena& arena) {
  std::int64_t sum = 0;
  for (const auto& each : arena.producers()) sum += each->tail->count(Op::refused);
  return sum;
}

constexpr std::chrono::nanoseconds everything = std::chrono::hours(24);

TEST(NightlyC, C3_a_server_without_persistence_comes_back_empty) {
  Arena arena(arena_options("C3 server killed ten times, no persistence"));
  under_load(arena, 10, [&](int) { arena.kill_server(Fault::lose_data); });
  ASSERT_TRUE(wait_progress(arena)) << arena.output();
  // All that was acknowledged after the last kill is handled; what was before may be gone.
  const Verdict verdict = verdict_of(arena, {"lose data", "forgotten", "audits"}, everything);
  std::printf("    %ld of %ld lost\n", verdict.forgotten, verdict.acknowledged);
}

TEST(NightlyC, C3_a_server_with_snapshots_comes_back_with_what_the_last_one_had) {
  Arena arena(arena_options("C3 server killed five times, snapshots"));
  std::uint64_t longest = 0;  // from the beginning of a snapshot to the kill
  under_load(arena, 5, [&](int) {
    auto client = arena.server().connect();
    const auto began = monotonic_ns();
    client.command({"BGSAVE"});
    ASSERT_TRUE(test::wait_for(
        60s, [&] { return info(client, "persistence", "rdb_bgsave_in_progress") == 0; }));
    ASSERT_NE(client.command({"INFO", "persistence"}).str().find("rdb_last_bgsave_status:ok"),
              std::string::npos);
    ASSERT_TRUE(wait_progress(arena)) << arena.output();
    arena.begin(Fault::lose_data);
    longest = std::max(longest, monotonic_ns() - began);
    arena.server().kill9();
    arena.server().restart();
    arena.end(Fault::lose_data);
  });
  ASSERT_TRUE(wait_progress(arena)) << arena.output();
  const Verdict verdict = verdict_of(arena, {"lose data", "forgotten", "redelivery", "audits"},
                                     std::chrono::nanoseconds(longest));
  EXPECT_TRUE(verdict.explained.contains("rollback")) << verdict.text();
  std::printf("    %ld of %ld lost, none that was acknowledged more than %ld ms before a kill\n",
              verdict.forgotten, verdict.acknowledged, static_cast<long>(longest / 1'000'000));
}

TEST(NightlyC, C8_the_server_is_emptied_in_the_middle_of_work) {
  ArenaOptions options = arena_options("C8 FLUSHALL, eight times, with a backlog");
  options.worker_arguments = {"sleep_us=0:20000"};  // so that some are running whenever it comes
  Arena arena(options);
  const auto refusals = [&] {
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < arena.workers().size(); ++i)
      sum += arena.noted(i, Op::late) + arena.noted(i, Op::told_lost);
    return sum;
  };
  under_load(arena, 8, [&](int) {
    const auto before = refusals();
    arena.begin(Fault::lose_data);
    arena.server().command({"FLUSHALL"});
    arena.end(Fault::lose_data);
    EXPECT_TRUE(test::wait_for(
        30s, [&] { return refusals() > before; }, 5ms))
        << "what is held no more is not settled\n"
        << arena.output();
  });
  ASSERT_TRUE(wait_progress(arena)) << "what comes after is not lost\n" << arena.output();
  verdict_of(arena, {"lose data", "forgotten", "audits"}, everything);
}

TEST(NightlyC, C11_a_full_disk_refuses_produce_until_there_is_room) {
  Dial disk;
  ArenaOptions options = arena_options("C11 disk full");
  options.redis.environment = {Dial::preload("fulldisk"), disk.variable()};
  options.history = true;
  options.worker_arguments = {"sleep_us=0:20000"};  // so that some are running whenever it comes
  options.producer_environment = {"MQ_PRODUCE_TIMEOUT=500ms"};
  Arena arena(options);
  under_load(arena, 3, [&](int) {
    auto client = arena.server().connect();
    const auto before = refused(arena);
    arena.begin(Fault::full_disk);
    disk.set(1);
    EXPECT_TRUE(test::wait_for(
        60s, [&] { return refused(arena) > before + 20; }, 5ms))
        << arena.output();
    // Longer than a lease: whatever was held is somebody else's afterwards.
    std::this_thread::sleep_for(arena.options().lease * 3 / 2);
    EXPECT_EQ(client.command({"INFO", "persistence"}).str().find("aof_last_write_status:ok"),
              std::string::npos);
    disk.set(0);
    arena.end(Fault::full_disk);
  });
  ASSERT_TRUE(wait_progress(arena)) << "it goes on where there is room again\n" << arena.output();
  std::string said;
  for (const auto& each : arena.producers()) said += last_of(each->output);
  EXPECT_NE(said.find("Redis refused the script produce: MISCONF"), std::string::npos) << said;
  verdict_of(arena, {"full disk", "MISCONF", "refused", "server history"});
}

TEST(NightlyC, C12_a_server_that_takes_no_more_connections_is_asked_calmly) {
  ArenaOptions options = arena_options("C12 no connections left");
  options.redis.appendonly = true;
  options.history = true;
  options.producer_environment = {"MQ_PRODUCE_TIMEOUT=500ms", "MQ_RECONNECT_BACKOFF_MAX=1s"};
  options.worker_environment.push_back("MQ_RECONNECT_BACKOFF_MAX=1s");
  Arena arena(options);
  auto admin = arena.server().connect();
  std::int64_t most = 0;
  std::int64_t connections = 0;
  constexpr auto window = 3s;
  under_load(arena, 3, [&](int) {
    const auto before = refused(arena);
    connections = std::max(connections, info(admin, "clients", "connected_clients"));
    arena.begin(Fault::no_clients);
    admin.command({"CONFIG", "SET", "maxclients", "1"});
    admin.command({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
    EXPECT_TRUE(test::wait_for(
        30s, [&] { return refused(arena) > before + 20; }, 5ms))
        << arena.output();
    // By now the pauses are as long as they get.
    const auto from = info(admin, "stats", "rejected_connections");
    std::this_thread::sleep_for(window);  // what the rate is about
    const auto rejected = info(admin, "stats", "rejected_connections") - from;
    arena.see("rejected connections", rejected);
    most = std::max(most, rejected);
    admin.command({"CONFIG", "SET", "maxclients", "10000"});
    arena.end(Fault::no_clients);
  });
  ASSERT_TRUE(wait_progress(arena)) << "it goes on where there is room again\n" << arena.output();
  std::printf("    %ld attempts in %ld s of what had been %ld connections and of the watcher\n",
              most, static_cast<long>(window.count()), connections);
  // The arena's watcher asks every 20 ms beside them.
  const std::int64_t watcher = window / 20ms;
  EXPECT_LE(most, 5 * window.count() * connections + watcher);
  verdict_of(arena, {"no clients", "rejected connections", "refused", "server history"});
}

}  // namespace
}  // namespace mx_rmq::faults
