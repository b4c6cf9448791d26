// A server that restarts, rewrites, forgets scripts, is full, busy, slow, or wants another
// password, under load.
#include <gtest/gtest.h>

#include "faults/load.hpp"
#include "support/build_kind.hpp"

namespace mx_rmq::faults {
namespace {

TEST(FaultsC, C4_the_server_restarts_gracefully) {
  ArenaOptions options = arena_options("C4 server restarted (SIGTERM)");
  options.redis.appendonly = true;
  Arena arena(options);
  under_load(arena, 6, [&](int) { arena.restart_server(); });
  verdict_of(arena, {"restart server", "audits"});
}

TEST(FaultsC, C4_the_server_reloads_and_rewrites_its_data) {
  ArenaOptions options = arena_options("C4 DEBUG RELOAD, BGREWRITEAOF");
  options.redis.appendonly = true;
  Arena arena(options);
  under_load(arena, 12, [&](int i) {
    const Fault fault = i % 2 == 0 ? Fault::reload : Fault::rewrite;
    arena.begin(fault);
    if (i % 2 == 0) {
      arena.server().command({"DEBUG", "RELOAD"});
    } else {
      arena.server().command({"BGREWRITEAOF"});
      EXPECT_TRUE(test::wait_for(30s, [&] {
        return arena.server()
                   .command({"INFO", "persistence"})
                   .str()
                   .find("aof_rewrite_in_progress:0") != std::string::npos;
      }));
    }
    arena.end(fault);
  });
  // What was rewritten is what a restart finds.
  arena.restart_server();
  verdict_of(arena, {"reload", "rewrite", "audits"});
}

TEST(FaultsC, C6_a_full_server_refuses_produce_and_lets_consumers_drain_it) {
  ArenaOptions options = arena_options("C6 memory full by producing");
  options.history = true;
  options.producer_arguments = {"concurrency=20", "chosen=0.1", "delayed=0.1", "size=500:1500"};
  options.producer_environment = {"MQ_PRODUCE_TIMEOUT=300ms"};
  Arena arena(options);
  const std::string info = arena.server().command({"INFO", "memory"}).str();
  const auto used = std::stoll(info.substr(info.find("used_memory:") + 12));
  arena.server().command({"CONFIG", "SET", "maxmemory", std::to_string(used + (8 << 20))});
  arena.begin(Fault::full_memory);
  const std::int64_t messages = test::scaled<std::int64_t>(10'000);
  arena.add_producer(messages);
  auto& producer = *arena.producers()[0];
  ASSERT_TRUE(test::wait_for(60s, [&] { return producer.tail->count(Op::refused) > 50; }))
      << arena.acknowledged() << " produced\n"
      << arena.output();
  EXPECT_LT(arena.acknowledged(), messages) << "it must fill the memory first";
  // Full as it is: what retries and what is recovered is written all the same.
  arena.add_worker({}, {"throw=0.1"});
  arena.add_worker({}, {"throw=0.1"});
  ASSERT_TRUE(arena.wait_handled(500)) << arena.output();
  arena.kill_worker(0);
  ASSERT_TRUE(producer.process.wait(120s)) << "producing goes on where there is room again\n"
                                           << arena.output();
  arena.end(Fault::full_memory);
  const Verdict verdict =
      verdict_of(arena, {"full memory", "OOM", "refused", "redelivery", "server history"});
  EXPECT_EQ(verdict.acknowledged, messages);
  EXPECT_GT(verdict.refused, 50);
}

TEST(FaultsC, C7_scripts_are_flushed_fifty_times_a_second) {
  ArenaOptions options = arena_options("C7 SCRIPT FLUSH at 50 Hz");
  options.history = true;
  Arena arena(options);
  const std::int64_t messages = test::scaled<std::int64_t>(10'000);
  for (int i = 0; i < 2; ++i) arena.add_worker();
  arena.add_producer(messages);
  while (arena.producers()[0]->process.running() || arena.handled() < messages / 2) {
    arena.begin(Fault::flush_scripts);
    arena.server().command({"SCRIPT", "FLUSH"});
    arena.end(Fault::flush_scripts);
    std::this_thread::sleep_for(20ms);  // the rate of the fault
  }
  const Verdict verdict = verdict_of(arena, {"flush scripts", "NOSCRIPT", "server history"});
  EXPECT_EQ(verdict.runs, messages);
  EXPECT_EQ(verdict.refused + verdict.unknown, 0) << "no error reaches users";
}

TEST(FaultsC, C9_foreign_scripts_that_run_for_longer_than_a_lease) {
  ArenaOptions options = arena_options("C9 foreign script of two leases");
  options.lease = 1s;
  options.history = true;
  options.redis.config = {"lua-time-limit 100"};
  Arena arena(options);
  under_load(arena, 3, [&](int) {
    arena.begin(Fault::busy);
    arena.server().command(
        {"EVAL",
         "local t = redis.call('TIME') local from = t[1] + t[2] / 1000000 repeat t = "
         "redis.call('TIME') until t[1] + t[2] / 1000000 > from + 2",
         "0"});
    arena.end(Fault::busy);
  });
  verdict_of(arena, {"busy", "BUSY", "server history"});
}

TEST(FaultsC, C10_the_server_sleeps_for_about_a_command_timeout) {
  ArenaOptions options = arena_options("C10 DEBUG SLEEP of 0.5, 1 and 5 command timeouts");
  options.history = true;
  options.worker_environment.push_back("MQ_COMMAND_TIMEOUT=400ms");
  options.producer_environment = {"MQ_COMMAND_TIMEOUT=400ms"};
  Arena arena(options);
  const auto received = [&] {
    const std::string info = arena.server().command({"INFO", "stats"}).str();
    return std::stoll(info.substr(info.find("total_connections_received:") + 27));
  };
  std::int64_t most = 0;
  under_load(arena, 6, [&](int i) {
    const auto before = received();
    arena.begin(Fault::sleep);
    arena.server().command({"DEBUG", "SLEEP", i % 3 == 0 ? "0.2" : i % 3 == 1 ? "0.4" : "2"});
    arena.end(Fault::sleep);
    most = std::max<std::int64_t>(most, received() - before);
  });
  EXPECT_LT(most, 100) << "new connections in one sleep: a reconnect storm";
  const Verdict verdict = verdict_of(arena, {"sleep", "server history"});
  EXPECT_EQ(verdict.refused + verdict.unknown, 0) << "asked for again until it is known";
}

TEST(FaultsC, C13_the_password_changes_while_everybody_works) {
  ArenaOptions options = arena_options("C13 password rotated");
  options.redis.password = "first";
  options.history = true;
  Arena arena(options);
  auto admin = arena.server().connect();
  const auto rotate = [&](const std::string& password) {
    admin.command({"CONFIG", "SET", "requirepass", password});
    admin.command({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
  };
  // Who was refused asks again every 30 s.
  under_load(arena, 1, [&](int) {
    arena.begin(Fault::rotate_password);
    rotate("second");
    // Those who ask now are told so; until then it stays the wrong one.
    EXPECT_TRUE(test::wait_for(30s, [&] {
      std::int64_t refused = 0;
      for (const auto& each : arena.producers()) refused += each->tail->count(Op::refused);
      return refused > 0;
    }));
    rotate("first");
    arena.end(Fault::rotate_password);
  });
  ASSERT_TRUE(arena.wait_handled(arena.handled() + 200)) << arena.output();
  verdict_of(arena, {"rotate password", "WRONGPASS", "refused", "server history"});
  EXPECT_EQ(arena.output().find("second"), std::string::npos);
}

}  // namespace
}  // namespace mx_rmq::faults
