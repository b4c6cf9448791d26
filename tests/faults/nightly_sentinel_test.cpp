// Group D: the failovers that take long.
#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "faults/sentinel_load.hpp"

namespace mx_rmq::faults {
namespace {

// The master is stopped, another one promoted, and the old one goes on, as if nothing had happened.
void pause_the_master(Arena& arena, StayingClient& staying, std::chrono::seconds for_so_long) {
  const std::size_t old = arena.sentinels().master();
  ASSERT_TRUE(test::wait_for(10s, [&] { return staying.acknowledged() > 100; }));
  arena.begin(Fault::failover);
  const auto began = test::WaitClock::now();
  arena.sentinels().server(old).pause();
  const std::size_t next = arena.sentinels().await_master_other_than(old);
  const auto gap = time_to_go_on(arena, arena.sentinels().server(next));
  tell("ms until work went on after the promotion", gap.count());
  EXPECT_LT(gap, 1s);
  arena.follow_master();
  std::this_thread::sleep_until(began + for_so_long);  // how long the fault lasts
  arena.sentinels().server(old).resume();
  arena.sentinels().await_calm(60s);
  arena.end(Fault::failover);
  staying.stop();
}

TEST(NightlyD, D2_the_master_stands_still_and_goes_on) {
  Arena arena(behind_sentinels("D2 the master stopped (SIGSTOP) for 5 s"));
  begin_load(arena);
  StayingClient staying(arena.server());
  pause_the_master(arena, staying, 5s);
  const std::int64_t stayed = staying.lost_at(arena.server());
  tell("writes of a client that stayed, lost", stayed);
  EXPECT_GT(stayed, 0) << "the fault did not bite";
  const Verdict verdict = end_load(arena, 500ms);
  EXPECT_LE(verdict.forgotten, 50);
}

TEST(NightlyD, D3_the_master_stands_still_and_must_have_a_replica_near) {
  ArenaOptions options = behind_sentinels("D3 as D2, min-replicas-to-write 1, max-lag 1");
  options.sentinels->replicas = 2;
  options.sentinels->server_config = {"min-replicas-to-write 1", "min-replicas-max-lag 1"};
  Arena arena(options);
  begin_load(arena);
  StayingClient staying(arena.server());
  pause_the_master(arena, staying, 5s);
  tell("writes of a client that stayed, lost", staying.lost_at(arena.server()));
  const Verdict verdict = end_load(arena, 500ms);
  EXPECT_LE(verdict.forgotten, 10);
}

// What was acknowledged was at the replica that is promoted: none of it may be lost.
TEST(NightlyD, D4_twenty_manual_failovers_with_wait_replicas_of_all) {
  ArenaOptions options = behind_sentinels("D4 SENTINEL FAILOVER, wait_replicas = all");
  options.producer_environment = {"MQ_WAIT_REPLICAS=1", "MQ_WAIT_REPLICAS_TIMEOUT=500ms"};
  Arena arena(options);
  begin_load(arena);
  for (int i = 0; i < 20; ++i) {
    const std::size_t old = arena.sentinels().master();
    arena.begin(Fault::failover);
    arena.sentinels().begin_failover();
    arena.sentinels().await_master_other_than(old);
    arena.follow_master();
    arena.sentinels().await_calm(60s);
    ASSERT_TRUE(wait_progress(arena, 50)) << arena.output();
    arena.end(Fault::failover);
  }
  const Verdict verdict = end_load(arena, 0s);
  EXPECT_EQ(verdict.forgotten, 0);
  tell("not known to be at the replica", verdict.unknown);
}

TEST(NightlyD, D5_ten_manual_failovers) {
  ArenaOptions options = behind_sentinels("D5 SENTINEL FAILOVER ten times");
  options.sentinels->replicas = 2;
  Arena arena(options);
  begin_load(arena);
  for (int i = 0; i < 10; ++i) {
    const std::size_t old = arena.sentinels().master();
    arena.begin(Fault::failover);
    arena.sentinels().begin_failover();
    const std::size_t next = arena.sentinels().await_master_other_than(old);
    EXPECT_LT(time_to_go_on(arena, arena.sentinels().server(next)), 1s);
    arena.follow_master();
    arena.sentinels().await_calm(60s);
    arena.end(Fault::failover);
  }
  const Verdict verdict = end_load(arena, 1s);
  EXPECT_LT(verdict.forgotten, verdict.acknowledged / 10);
}

TEST(NightlyD, D6_the_sentinel_that_was_asked_dies_with_the_master) {
  Arena arena(behind_sentinels("D6 a Sentinel and the master killed at once"));
  begin_load(arena);
  const std::size_t old = arena.sentinels().master();
  arena.begin(Fault::failover);
  arena.sentinels().sentinel(0).kill9();
  arena.sentinels().server(old).kill9();
  const std::size_t next = arena.sentinels().await_master_other_than(old, 30s);
  const auto gap = time_to_go_on(arena, arena.sentinels().server(next));
  tell("ms until work went on after the promotion", gap.count());
  EXPECT_LT(gap, 1s);
  arena.follow_master();
  arena.end(Fault::failover);
  const Verdict verdict = end_load(arena, 200ms);
  EXPECT_LE(verdict.forgotten, 20);
}

TEST(NightlyD, D6_a_sentinel_stands_still_while_the_master_is_killed) {
  Arena arena(behind_sentinels("D6 a Sentinel stopped, the master killed"));
  begin_load(arena);
  const std::size_t old = arena.sentinels().master();
  arena.begin(Fault::failover);
  arena.sentinels().sentinel(0).pause();
  arena.sentinels().server(old).kill9();
  // The fixture asks Sentinels in order, too.
  const std::size_t next = arena.sentinels().await_master_other_than(old, 60s);
  EXPECT_LT(time_to_go_on(arena, arena.sentinels().server(next)), 1s);
  arena.follow_master();
  arena.end(Fault::failover);
  arena.sentinels().sentinel(0).resume();
  end_load(arena, 200ms);
}

std::int64_t errors_given(test::RedisServer& server, const std::string& code) {
  const std::string info = server.command({"INFO", "everything"}).str();
  const std::string name = "errorstat_" + code + ":count=";
  const std::size_t at = info.find(name);
  return at == std::string::npos ? 0 : std::stoll(info.substr(at + name.size()));
}

// Each produce call has had one answer, and one only.
void expect_one_answer_each(const std::vector<Record>& records) {
  std::map<std::uint64_t, int> open;
  for (const Record& record : records) {
    if (record.op == Op::produce_begins) {
      EXPECT_EQ(++open[record.key], 1) << record.key;
    }
    if (record.op == Op::produced || record.op == Op::refused || record.op == Op::unknown) {
      EXPECT_EQ(--open[record.key], 0) << record.key;
    }
  }
  for (const auto& [key, count] : open) EXPECT_EQ(count, 0) << key;
}

// What was written into the old master's socket is executed when it is a replica already.
TEST(NightlyD, D7_READONLY_in_the_middle_of_full_pipelines) {
  ArenaOptions options = behind_sentinels("D7 READONLY in the middle of pipelines");
  options.producer_arguments = {"concurrency=300", "chosen=0.1", "pause_us=20000"};
  Arena arena(options);
  begin_load(arena);
  const std::size_t old = arena.sentinels().master();
  const std::size_t next = 1 - old;
  arena.begin(Fault::switchover);
  arena.sentinels().server(old).command({"FAILOVER", "TIMEOUT", "5000"});
  ASSERT_TRUE(test::wait_for(
      10s, [&] { return arena.sentinels().server(next).command({"ROLE"})[0].str() == "master"; }));
  EXPECT_LT(time_to_go_on(arena, arena.sentinels().server(next)), 1s);
  const std::int64_t refused = errors_given(arena.sentinels().server(old), "READONLY");
  tell("READONLY", refused);
  EXPECT_GT(refused, 0) << "the fault did not bite";
  for (auto& each : arena.producers()) each->process.signal(SIGTERM);  // it is a lot
  arena.sentinels().await_master_other_than(old, 60s);
  arena.follow_master();
  arena.end(Fault::switchover);
  const Verdict verdict = end_load(arena, 0s);
  EXPECT_EQ(verdict.forgotten, 0);
  EXPECT_EQ(verdict.refused + verdict.unknown, 0) << "no error reaches users";
  expect_one_answer_each(arena.records());
}

// It has none of the scripts, and loses them once more as soon as they are there.
TEST(NightlyD, D8_the_new_master_has_no_scripts) {
  Arena arena(behind_sentinels("D8 the new master without scripts"));
  begin_load(arena);
  const std::size_t old = arena.sentinels().master();
  test::RedisServer& promoted = arena.sentinels().server(1 - old);
  promoted.command({"SCRIPT", "FLUSH"});
  arena.begin(Fault::failover);
  arena.sentinels().server(old).kill9();
  arena.sentinels().await_master_other_than(old);
  EXPECT_LT(time_to_go_on(arena, promoted), 1s);
  arena.follow_master();
  arena.end(Fault::failover);
  arena.begin(Fault::flush_scripts);
  promoted.command({"SCRIPT", "FLUSH"});
  EXPECT_TRUE(test::wait_for(30s, [&] { return errors_given(promoted, "NOSCRIPT") > 0; }));
  ASSERT_TRUE(wait_progress(arena)) << arena.output();
  arena.end(Fault::flush_scripts);
  tell("NOSCRIPT", errors_given(promoted, "NOSCRIPT"));
  const Verdict verdict = end_load(arena, 200ms);
  EXPECT_LE(verdict.forgotten, 20);
  EXPECT_EQ(verdict.refused + verdict.unknown, 0) << "no error reaches users";
}

// In good order: the old master stops, and sends everything first. The Sentinels notice later.
TEST(NightlyD, D9_the_command_FAILOVER_loses_nothing) {
  Arena arena(behind_sentinels("D9 FAILOVER at the server"));
  begin_load(arena);
  const std::size_t old = arena.sentinels().master();
  const std::size_t next = 1 - old;
  arena.begin(Fault::switchover);
  arena.sentinels().server(old).command({"FAILOVER", "TIMEOUT", "5000"});
  ASSERT_TRUE(test::wait_for(
      10s, [&] { return arena.sentinels().server(next).command({"ROLE"})[0].str() == "master"; }));
  const auto gap = time_to_go_on(arena, arena.sentinels().server(next));
  tell("ms until work went on", gap.count());
  EXPECT_LT(gap, 1s);
  arena.sentinels().await_master_other_than(old, 60s);
  arena.follow_master();
  arena.end(Fault::switchover);
  const Verdict verdict = end_load(arena, 0s);
  EXPECT_EQ(verdict.forgotten, 0);
}

}  // namespace
}  // namespace mx_rmq::faults
