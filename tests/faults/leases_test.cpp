// Workers that stand still, are held up, or cannot reach the server for about as long as a lease.
#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <ostream>

#include "faults/arena.hpp"

namespace mx_rmq::faults {
namespace {

using nlohmann::json;

ArenaOptions arena_options(const std::string& name, std::chrono::milliseconds lease = 1s) {
  ArenaOptions options;
  options.name = name;
  options.history = true;
  options.lease = lease;
  return options;
}

json task(const char* what, std::chrono::milliseconds time = 0ms) {
  json payload;
  payload["do"] = what;
  payload["ms"] = time.count();
  return payload;
}

// A database of the user's own that takes a handler's write only with the highest fence it has
// seen: how many writes of all handlers that ended well it took.
int fenced_writes(const std::vector<Record>& records) {
  std::map<std::uint64_t, std::uint32_t> highest;
  int taken = 0;
  for (const Record& each : records) {
    std::uint32_t& fence = highest[each.key];
    if (each.op == Op::run_begins) fence = std::max(fence, each.fence());
    if (each.op == Op::run_ends && each.outcome == Outcome::ok) taken += each.fence() >= fence;
  }
  return taken;
}

TEST(FaultsB, B2_a_worker_that_wakes_after_its_lease_changes_nothing) {
  Arena arena(arena_options("B2 worker paused beyond its lease"));
  arena.add_worker();
  // One handler looks at its stop token, the other one does not.
  arena.produce(task("wait", 3s), {}, 0);
  arena.produce(task("wait", 3s), {}, 1);
  ASSERT_TRUE(test::wait_for(30s, [&] { return arena.noted(0, Op::run_begins) == 2; }));
  arena.pause_worker(0);
  arena.add_worker();
  ASSERT_TRUE(test::wait_for(60s, [&] { return arena.noted(1, Op::run_begins) == 2; }))
      << arena.output();
  arena.resume_worker(0);
  // The one is told before its next look, and both end though nobody waits for them.
  ASSERT_TRUE(test::wait_for(60s, [&] { return arena.noted(0, Op::run_ends) == 2; }));
  arena.heal();
  EXPECT_TRUE(arena.drain());
  EXPECT_EQ(arena.stat("completed", 0), 1);
  EXPECT_EQ(arena.stat("completed", 1), 1);
  const Verdict verdict = arena.finish({0s, 0s, {"pause worker", "server history"}});
  EXPECT_TRUE(verdict.holds()) << verdict.text() << arena.output();
  EXPECT_EQ(verdict.runs, 4);
  EXPECT_EQ(verdict.explained_total(), 2);
  int cancelled = 0;
  int told = 0;
  for (const Record& each : arena.records()) {
    cancelled += each.op == Op::run_ends && each.outcome == Outcome::cancelled;
    told += each.op == Op::told_lost;
  }
  EXPECT_EQ(cancelled, 1) << "its stop token fired";
  EXPECT_GE(told, 1) << "and it is loud";
  EXPECT_EQ(fenced_writes(arena.records()), 2) << "of three that ended well";
}

// --- B3: paused inside each step ---

enum class Step { claim_unread, begin, middle, end, ack_unsent, ack_unread };

struct Paused {
  Step step;
  const char* name;
  int runs;  // of the message
};

void PrintTo(const Paused& paused, std::ostream* out) { *out << paused.name; }

class PausedInside : public ::testing::TestWithParam<Paused> {};

TEST_P(PausedInside, B3_the_message_is_handled_and_nothing_else) {
  const Paused& now = GetParam();
  ArenaOptions options = arena_options(std::string("B3 paused: ") + now.name);
  options.proxied = true;
  Arena arena(options);
  arena.add_worker();
  const auto pid = arena.workers()[0]->process.pid();
  std::atomic<bool> begun{false};
  std::atomic<bool> paused{false};
  // On the proxy's thread, at the very moment; nothing passes until each thread of the worker
  // stands still.
  const auto pause = [&, &process = arena.workers()[0]->process] {
    if (begun.exchange(true)) return;
    arena.begin(Fault::pause_worker, static_cast<std::uint64_t>(pid));
    process.pause();
    paused = true;
  };
  arena.proxy().judge_commands([&](const SeenCommand& seen) {
    if (seen.script != "ack" || begun) return CommandFate::pass;
    if (now.step != Step::ack_unsent && now.step != Step::ack_unread) return CommandFate::pass;
    pause();
    return now.step == Step::ack_unsent ? CommandFate::hold : CommandFate::pass;
  });
  arena.proxy().judge_replies([&](const SeenCommand& seen, std::string_view reply) {
    const bool took = seen.script == "claim" && reply.find("mx1 ") != std::string_view::npos;
    if (now.step == Step::claim_unread && took) pause();
    return ReplyFate::pass;
  });
  const char* what = now.step == Step::begin    ? "stop_begin"
                     : now.step == Step::middle ? "stop_middle"
                     : now.step == Step::end    ? "stop_end"
                                                : "";
  arena.produce(task(what));
  const bool by_itself = *what != '\0';
  ASSERT_TRUE(test::wait_for(30s, [&] {
    return by_itself ? arena.workers()[0]->tail->count(Fault::pause_worker) > 0 : paused.load();
  })) << arena.output();
  // The other worker reaches the server without the proxy.
  arena.add_worker({"REDIS_URL=" + arena.server().url()});
  if (now.step == Step::ack_unread) {
    std::this_thread::sleep_for(2 * arena.options().lease);  // the pause itself
  } else {
    ASSERT_TRUE(test::wait_for(60s, [&] { return arena.noted(1, Op::run_begins) == 1; }))
        << arena.output();
  }
  arena.proxy().heal();
  arena.workers()[0]->process.resume();
  if (!by_itself) arena.end(Fault::pause_worker, static_cast<std::uint64_t>(pid));
  arena.heal();
  EXPECT_TRUE(arena.drain());
  // The worker that was paused works again, under another name.
  const auto before = arena.handled();
  arena.end_worker(1);
  for (int i = 0; i < 5; ++i) arena.produce(task(""));
  EXPECT_TRUE(arena.wait_handled(before + 5)) << arena.output();
  EXPECT_TRUE(arena.drain())
      << "the end of the run that was paused may have come after `before` was read";
  const Verdict verdict = arena.finish({0s, 0s, {"pause worker", "server history"}});
  EXPECT_TRUE(verdict.holds()) << verdict.text() << arena.output();
  EXPECT_EQ(verdict.handled, 6);
  EXPECT_EQ(verdict.runs, 5 + now.runs) << verdict.text();
}

INSTANTIATE_TEST_SUITE_P(
    FaultsB, PausedInside,
    ::testing::Values(Paused{Step::claim_unread, "claim_executed_reply_unread", 1},
                      Paused{Step::begin, "before_the_handlers_first_line", 2},
                      Paused{Step::middle, "in_the_handler", 2},
                      Paused{Step::end, "after_the_handler_before_the_ack", 2},
                      Paused{Step::ack_unsent, "ack_sent_not_executed", 2},
                      Paused{Step::ack_unread, "ack_executed_reply_unread", 1}),
    [](const auto& each) { return std::string(each.param.name); });

// --- B5: the heartbeat cannot pass ---

struct Stalled {
  int tenths;  // of a lease
  bool redelivered;
};

void PrintTo(const Stalled& stalled, std::ostream* out) { *out << stalled.tenths << "/10"; }

class StalledTend : public ::testing::TestWithParam<Stalled> {};

TEST_P(StalledTend, B5_costs_the_lease_if_it_lasts_longer) {
  const Stalled& now = GetParam();
  ArenaOptions options =
      arena_options("B5 no heartbeat for " + std::to_string(now.tenths) + "/10 of a lease", 2s);
  options.proxied = true;
  Arena arena(options);
  arena.add_worker();
  std::atomic<bool> armed{false};
  std::atomic<bool> renewed{false};
  // What follows the renewal that starts the clock waits in the proxy.
  arena.proxy().judge_commands(
      [&](const SeenCommand&) { return renewed ? CommandFate::hold : CommandFate::pass; });
  arena.proxy().judge_replies([&](const SeenCommand& seen, std::string_view) {
    if (armed && seen.script == "tend" && !renewed.exchange(true)) arena.begin(Fault::stall);
    return ReplyFate::pass;
  });
  arena.produce(task("wait", arena.options().lease * 5 / 2));
  ASSERT_TRUE(test::wait_for(30s, [&] { return arena.noted(0, Op::run_begins) == 1; }));
  arena.add_worker({"REDIS_URL=" + arena.server().url()});
  armed = true;
  ASSERT_TRUE(test::wait_for(
      30s, [&] { return renewed.load(); }, 100us));
  std::this_thread::sleep_for(arena.options().lease * now.tenths / 10);  // the fault itself
  arena.proxy().heal();
  arena.end(Fault::stall);
  arena.heal();
  EXPECT_TRUE(arena.drain());
  ASSERT_TRUE(test::wait_for(60s, [&] { return arena.noted(0, Op::run_ends) == 1; }));
  const Verdict verdict = arena.finish({0s, 0s, {"stall", "server history"}});
  EXPECT_TRUE(verdict.holds()) << verdict.text() << arena.output();
  int cancelled = 0;
  for (const Record& each : arena.records())
    cancelled += each.op == Op::run_ends && each.outcome == Outcome::cancelled;
  if (now.redelivered) {
    EXPECT_EQ(verdict.runs, 2);
    EXPECT_EQ(cancelled, 1) << "the first run's stop token fired";
  } else if (!verdict.seen.contains("stood still")) {
    // A machine that was too busy to run the worker for a quarter of a lease proves nothing.
    EXPECT_EQ(verdict.runs, 1);
    EXPECT_EQ(cancelled, 0);
  }
}

INSTANTIATE_TEST_SUITE_P(FaultsB, StalledTend,
                         ::testing::Values(Stalled{5, false}, Stalled{9, false}, Stalled{15, true}),
                         [](const auto& each) {
                           return std::to_string(each.param.tenths) + "_tenths_of_a_lease";
                         });

TEST(FaultsB, B4_a_handler_of_ten_leases_runs_once) {
  Arena arena(arena_options("B4 handler of ten leases", 400ms));
  for (int i = 0; i < 2; ++i) arena.add_worker();
  for (int i = 0; i < 3; ++i) arena.produce(task("wait", 4s), {}, i % 2);
  arena.heal();
  EXPECT_TRUE(arena.drain());
  const Verdict verdict = arena.finish();
  EXPECT_TRUE(verdict.holds()) << verdict.text() << arena.output();
  if (!verdict.seen.contains("stood still")) {
    EXPECT_EQ(verdict.runs, 3) << verdict.text();
  }
}

TEST(FaultsB, B6_a_handler_that_blocks_the_loop_loses_its_lease_and_the_loop_recovers) {
  Arena arena(arena_options("B6 loop blocked for three leases"));
  arena.add_worker();
  arena.produce(task("block", 3s));
  ASSERT_TRUE(
      test::wait_for(30s, [&] { return arena.workers()[0]->tail->count(Fault::block_loop) == 1; }));
  arena.add_worker();
  ASSERT_TRUE(test::wait_for(60s, [&] { return arena.noted(1, Op::run_begins) == 1; }))
      << arena.output();
  ASSERT_TRUE(test::wait_for(60s, [&] { return arena.noted(0, Op::run_ends) == 1; }));
  arena.end_worker(1);
  const auto before = arena.handled();
  for (int i = 0; i < 20; ++i) arena.produce(task(""), {}, i % 2);
  EXPECT_TRUE(arena.wait_handled(before + 20)) << "both topics of the loop that was blocked\n"
                                               << arena.output();
  arena.heal();
  EXPECT_TRUE(arena.drain());
  const Verdict verdict = arena.finish({0s, 0s, {"block loop", "redelivery", "server history"}});
  EXPECT_TRUE(verdict.holds()) << verdict.text() << arena.output();
  EXPECT_GE(verdict.explained.at("block loop"), 1);
  int told = 0;
  for (const Record& each : arena.records())
    told += each.op == Op::told_lost || each.op == Op::late;
  EXPECT_GE(told, 1) << "its late settlement is refused";
}

}  // namespace
}  // namespace mx_rmq::faults
