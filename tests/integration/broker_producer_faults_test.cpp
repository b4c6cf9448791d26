// The producer when replies are lost, Redis refuses, stalls or is away.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "integration/broker_fixture.hpp"
#include "support/fault_proxy.hpp"
#include "support/wait.hpp"

namespace mx_rmq::test {
namespace {

using Strings = std::vector<std::string>;

std::string normal(const Rig& rig) { return rig.keys.ready(broker::List::normal); }

std::string proxy_path(const RedisServer& server) { return server.directory() + "/proxy.sock"; }

// Loses the next `count` calls of produce, the one way or the other.
FaultProxy::CommandJudge lose_next(int count, CommandFate fate) {
  return [left = count, fate](const SeenCommand& call) mutable {
    if (call.script != "produce" || left == 0) return CommandFate::pass;
    --left;
    return fate;
  };
}

redis::ConnectionOptions quick() {
  redis::ConnectionOptions out;
  out.backoff_min = 1ms;
  out.backoff_max = 20ms;
  return out;
}

TEST(BrokerProducerFaults, ALostReplyEnqueuesOnce) {
  RedisServer server;
  FaultProxy proxy(server.socket_path(), proxy_path(server), {.keep_calls = true});
  Rig rig(proxy.url(), {}, "t", quick());
  rig.produce(message("first"));
  proxy.judge_commands(lose_next(3, CommandFate::lose_reply));
  std::vector<OutgoingEnvelope> batch;
  batch.push_back(message("a"));
  batch.push_back(chosen("b"));
  OutgoingEnvelope delayed = message("c");
  delayed.delay = 1h;
  batch.push_back(std::move(delayed));
  const auto out = rig.produce_all(std::move(batch));
  for (const ProduceOutcome& each : out) EXPECT_EQ(text(each.error), "");
  EXPECT_EQ(out[0].result, Produced::enqueued);
  EXPECT_EQ(out[1].result, Produced::enqueued) << "the copies do not find it a duplicate of itself";
  EXPECT_EQ(out[2].result, Produced::enqueued);
  EXPECT_EQ(ids_in(server, normal(rig)), (Strings{"first", "a", "b"}));
  EXPECT_EQ(server.command({"ZCARD", rig.keys.delayed}).num(), 1);
  EXPECT_EQ(server.command({"HGET", rig.keys.stats, "produced"}).num(), 4);
  EXPECT_EQ(rig.producer().counts().resent, 3U);
  // All copies had one number and the same bytes.
  const auto calls = proxy.calls();
  ASSERT_EQ(calls.size(), 5U);
  for (std::size_t i = 2; i < calls.size(); ++i) EXPECT_EQ(calls[i].argv(), calls[1].argv());
}

TEST(BrokerProducerFaults, ALostReplyTellsTheDuplicatesAllTheSame) {
  RedisServer server;
  FaultProxy proxy(server.socket_path(), proxy_path(server), {.keep_calls = true});
  Rig rig(proxy.url(), {}, "t", quick());
  EXPECT_EQ(rig.produce(chosen("b")), Produced::enqueued);
  proxy.judge_commands(lose_next(2, CommandFate::lose_reply));
  std::vector<OutgoingEnvelope> batch;
  for (const char* id : {"a", "b", "c", "a"}) batch.push_back(chosen(id));
  batch.push_back(message("d"));
  const auto out = rig.produce_all(std::move(batch));
  std::vector<Produced> results;
  for (const ProduceOutcome& each : out) results.push_back(each.result);
  using enum Produced;
  EXPECT_EQ(results, (std::vector<Produced>{enqueued, duplicate, enqueued, duplicate, enqueued}));
  EXPECT_EQ(rig.producer().counts().resent, 2U);
}

TEST(BrokerProducerFaults, ALostCallIsSentAgain) {
  RedisServer server;
  FaultProxy proxy(server.socket_path(), proxy_path(server), {.keep_calls = true});
  Rig rig(proxy.url(), {}, "t", quick());
  rig.produce(message("first"));
  proxy.judge_commands(lose_next(2, CommandFate::lose));
  EXPECT_EQ(rig.produce(message("a")), Produced::enqueued);
  EXPECT_EQ(ids_in(server, normal(rig)), (Strings{"first", "a"}));
}

TEST(BrokerProducerFaults, NumbersNeverGoBackAndEachBatchIsOfOneContent) {
  RedisServer server;
  FaultProxy proxy(server.socket_path(), proxy_path(server), {.keep_calls = true});
  Rig rig(proxy.url(), {}, "t", quick());
  std::atomic<int> seen = 0;
  proxy.judge_commands([&seen](const SeenCommand& call) {
    if (call.script != "produce") return CommandFate::pass;
    const int n = ++seen;
    return n % 7 == 3   ? CommandFate::lose_reply
           : n % 7 == 5 ? CommandFate::lose
                        : CommandFate::pass;
  });
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&rig, t] {
      for (int i = 0; i < 50; ++i) {
        const std::string id = std::to_string(t) + "." + std::to_string(i);
        EXPECT_EQ(rig.produce(message(id), 30s), Produced::enqueued);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  long last = 0;
  std::map<long, Strings> content;
  for (const SeenCommand& call : proxy.calls()) {
    if (call.script != "produce") continue;
    const long number = std::stol(call.argv()[0]);
    EXPECT_GE(number, last);
    last = number;
    const auto [at, first] = content.emplace(number, call.argv());
    EXPECT_TRUE(first || at->second == call.argv()) << number;
  }
  const Strings ids = ids_in(server, normal(rig));
  EXPECT_EQ(ids.size(), 200U);
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), 200U);
  EXPECT_GT(rig.producer().counts().resent, 0U);
}

TEST(BrokerProducerFaults, AFullRedisIsATypedErrorAndThenItGoesOn) {
  RedisServer server;
  Rig rig(server.url());
  rig.produce(message("first"));
  server.command({"CONFIG", "SET", "maxmemory", "1"});
  std::vector<OutgoingEnvelope> batch;
  batch.push_back(message("a"));
  batch.push_back(chosen("b"));
  for (const ProduceOutcome& each : rig.produce_all(std::move(batch))) {
    EXPECT_EQ(kind(each.error), "ServerError OOM");
  }
  OutgoingEnvelope delayed = message("c");
  delayed.delay = 1h;
  EXPECT_EQ(kind(rig.produce_all({delayed})[0].error), "ServerError OOM");
  server.command({"CONFIG", "SET", "maxmemory", "0"});
  EXPECT_EQ(rig.produce(message("d")), Produced::enqueued);
  EXPECT_EQ(ids_in(server, normal(rig)), (Strings{"first", "d"}));
  EXPECT_EQ(server.command({"EXISTS", rig.keys.delayed, rig.keys.ids}).num(), 0);
}

TEST(BrokerProducerFaults, AMissingRightIsATypedErrorAtOnce) {
  RedisServer server;
  Rig rig(server.url());
  rig.produce(message("first"));
  server.command({"ACL", "SETUSER", "default", "-evalsha", "-eval"});
  const TimePoint before = rig.loop().now();
  EXPECT_EQ(kind(rig.produce_all({message("a")}, 20s)[0].error), "ServerError NOPERM");
  EXPECT_LT(rig.loop().now() - before, 5s);
  server.command({"ACL", "SETUSER", "default", "+@all"});
  EXPECT_EQ(rig.produce(message("b")), Produced::enqueued);
  EXPECT_EQ(ids_in(server, normal(rig)), (Strings{"first", "b"}));
}

TEST(BrokerProducerFaults, AnErrorInsideTheScriptIsUnknownAndNotRepeated) {
  RedisServer server;
  FaultProxy proxy(server.socket_path(), proxy_path(server), {.keep_calls = true});
  Rig rig(proxy.url());
  server.command({"SET", normal(rig), "not a list"});
  const auto out = rig.produce_all({message("a"), message("b")}, 20s);
  EXPECT_EQ(kind(out[0].error), "OutcomeUnknown");
  EXPECT_NE(text(out[0].error).find("WRONGTYPE"), std::string::npos) << text(out[0].error);
  EXPECT_EQ(proxy.calls().size(), 1U);
  server.command({"DEL", normal(rig)});
  EXPECT_EQ(rig.produce(message("c")), Produced::enqueued);
}

TEST(BrokerProducerFaults, WithoutAConnectionItWaitsAndThenNothingWasSent) {
  RedisServer server;
  Rig rig(server.url(), {}, "t", quick());
  rig.produce(message("first"));
  server.stop();
  const TimePoint before = rig.loop().now();
  const auto pending = rig.start({message("short"), message("long")}, {200ms, 60s});
  ASSERT_TRUE(wait_for(5s, [&] { return rig.done(*pending[0]); }));
  EXPECT_EQ(kind(pending[0]->outcome.error), "TimeoutError");
  EXPECT_GE(pending[0]->ended - before, 200ms);
  EXPECT_LT(pending[0]->ended - before, 3s);
  EXPECT_FALSE(rig.done(*pending[1]));
  server.restart();
  rig.wait(pending);
  EXPECT_EQ(kind(pending[1]->outcome.error), "");
  EXPECT_EQ(ids_in(server, normal(rig)), (Strings{"long"}));  // nothing was kept over the restart
}

TEST(BrokerProducerFaults, EachCallerOfAStalledBatchIsToldAtItsOwnDeadline) {
  RedisServer server;
  Rig rig(server.url());
  rig.produce(message("first"));
  server.pause();
  const TimePoint before = rig.loop().now();
  const auto pending = rig.start({message("a"), message("b"), message("c")}, {150ms, 300ms, 30s});
  ASSERT_TRUE(wait_for(5s, [&] { return rig.done(*pending[0]); }));
  // Waits behind the batch: surely not sent.
  const auto behind = rig.start({message("behind")}, {100ms});
  rig.wait(behind);
  EXPECT_EQ(kind(behind[0]->outcome.error), "TimeoutError");
  ASSERT_TRUE(wait_for(5s, [&] { return rig.done(*pending[1]); }));
  EXPECT_FALSE(rig.done(*pending[2]));
  server.resume();
  rig.wait(pending);
  EXPECT_EQ(kind(pending[0]->outcome.error), "OutcomeUnknown");
  EXPECT_EQ(kind(pending[1]->outcome.error), "OutcomeUnknown");
  EXPECT_EQ(kind(pending[2]->outcome.error), "");
  EXPECT_GE(pending[0]->ended - before, 150ms);
  EXPECT_LT(pending[0]->ended - before, 3s);
  EXPECT_GE(pending[1]->ended - before, 300ms);
  EXPECT_LT(pending[1]->ended - before, 3s);
  EXPECT_EQ(ids_in(server, normal(rig)), (Strings{"first", "a", "b", "c"}));
}

TEST(BrokerProducerFaults, ABusyRedisIsATypedErrorAtTheDeadlineAndNothingIsEnqueued) {
  RedisOptions options;
  options.config = {"lua-time-limit 1"};
  RedisServer server(options);
  Rig rig(server.url());
  rig.produce(message("first"));
  RedisClient busy = server.connect();
  busy.send({"EVAL", "while true do end", "0"});
  ASSERT_TRUE(wait_for(5s, [&] {
    return server.try_command({"GET", "x"}).text.starts_with("BUSY");
  }));
  const TimePoint before = rig.loop().now();
  const auto pending = rig.start({message("short"), message("long")}, {1s, 60s});
  ASSERT_TRUE(wait_for(10s, [&] { return rig.done(*pending[0]); }));
  EXPECT_EQ(kind(pending[0]->outcome.error), "ServerError BUSY");
  EXPECT_GE(pending[0]->ended - before, 1s);
  EXPECT_LT(pending[0]->ended - before, 4s);
  EXPECT_FALSE(rig.done(*pending[1]));
  server.command({"SCRIPT", "KILL"});
  rig.wait(pending);
  EXPECT_EQ(kind(pending[1]->outcome.error), "");
  EXPECT_EQ(ids_in(server, normal(rig)), (Strings{"first", "long"}));
}

TEST(BrokerProducerFaults, TooManyWaitingIsOverloadedForAllOfASubmission) {
  RedisServer server;
  ProducerOptions options;
  options.max_waiting = 10;
  Rig rig(server.url(), options);
  rig.produce(message("first"));
  server.pause();
  const auto in_flight = rig.start({message("x")}, {30s});
  ASSERT_TRUE(wait_for(5s, [&] {
    std::size_t n = 0;
    rig.on_loop([&] { n = rig.producer().in_flight(); });
    return n == 1;
  }));
  std::vector<OutgoingEnvelope> eight(8, message("y"));
  const auto waiting = rig.start(std::move(eight), {30s});
  std::vector<OutgoingEnvelope> three(3, message("z"));
  EXPECT_THROW(rig.produce_all(three), Overloaded);
  const auto two = rig.start({message("u"), message("v")}, {30s});
  EXPECT_THROW(rig.produce(message("w")), Overloaded);
  server.resume();
  rig.wait(in_flight);
  rig.wait(waiting);
  rig.wait(two);
  EXPECT_EQ(server.command({"LLEN", normal(rig)}).num(), 12);
}

Task<> close_it(Rig* rig, bool* closed) {
  co_await rig->producer().close(rig->in(20s));
  *closed = true;
}

TEST(BrokerProducerFaults, ClosingLetsWhatIsUnderWayFinish) {
  RedisServer server;
  Rig rig(server.url());
  rig.produce(message("first"));
  server.pause();
  const auto pending = rig.start(std::vector<OutgoingEnvelope>(3, message("a")), {30s});
  bool closed = false;
  rig.on_loop([&] { rig.scope().spawn(close_it(&rig, &closed)); });
  EXPECT_THROW(rig.produce(message("late")), ShutdownError);
  EXPECT_FALSE(rig.done(*pending[0]));
  server.resume();
  rig.wait(pending);
  for (const auto& each : pending) {
    EXPECT_TRUE(rig.done(*each));
    EXPECT_EQ(kind(each->outcome.error), "");
  }
  ASSERT_TRUE(wait_for(5s, [&] {
    bool now = false;
    rig.on_loop([&] { now = closed; });
    return now;
  }));
  rig.run([&] { return rig.producer().close(rig.in(0ms)); });  // again: nothing to do
}

TEST(BrokerProducerFaults, ClosingOneThatNeverSentAnythingIsDoneAtOnce) {
  RedisServer server;
  Rig rig(server.url());
  const TimePoint deadline = rig.in(60s);
  rig.run([&] { return rig.producer().close(deadline); });
  EXPECT_LT(rig.loop().now(), deadline);
}

TEST(BrokerProducerFaults, ClosingIsBoundedAndTellsWhatMayHaveBeenSent) {
  RedisServer server;
  Rig rig(server.url());
  rig.produce(message("first"));
  server.pause();
  const auto sent = rig.start({message("sent")}, {30s});
  ASSERT_TRUE(wait_for(5s, [&] {
    std::size_t n = 0;
    rig.on_loop([&] { n = rig.producer().in_flight(); });
    return n == 1;
  }));
  const auto waiting = rig.start({message("waiting")}, {30s});
  const TimePoint before = rig.loop().now();
  rig.run([&] { return rig.producer().close(rig.in(100ms)); });
  EXPECT_LT(rig.loop().now() - before, 2s);
  rig.wait(sent);
  rig.wait(waiting);
  EXPECT_EQ(kind(sent[0]->outcome.error), "OutcomeUnknown");
  EXPECT_EQ(kind(waiting[0]->outcome.error), "ShutdownError");
  server.resume();
}

TEST(BrokerProducerFaults, KilledConnectionsAndFlushedScriptsUnderLoadReachNoCaller) {
  RedisServer server;
  Rig rig(server.url(), {}, "t", quick());
  constexpr int threads = 4;
  constexpr int each = 100;
  std::atomic<int> done = 0;
  std::vector<std::thread> running;
  for (int t = 0; t < threads; ++t) {
    running.emplace_back([&rig, &done, t] {
      for (int i = 0; i < each; ++i) {
        const std::string id = std::to_string(t) + "." + std::to_string(i);
        EXPECT_EQ(rig.produce(message(id), 30s), Produced::enqueued);
        ++done;
      }
    });
  }
  // Paced by what was produced, so that a slow machine comes to its end too.
  RedisClient trouble = server.connect();
  for (int next = 5; next < threads * each; next += 5) {
    const bool in_time = wait_for(60s, [&] { return done >= next; });
    EXPECT_TRUE(in_time);
    if (!in_time) break;
    trouble.command({"SCRIPT", "FLUSH"});
    trouble.command({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
  }
  for (std::thread& thread : running) thread.join();
  const Strings ids = ids_in(server, normal(rig));
  EXPECT_EQ(ids.size(), 400U);
  std::map<std::string, int> next;
  for (const std::string& id : ids) {
    const std::size_t dot = id.find('.');
    EXPECT_EQ(std::stoi(id.substr(dot + 1)), next[id.substr(0, dot)]++) << id;
  }
}

TEST(BrokerProducerFaults, AServerThatIsKilledAndStartedAgainLosesNothingThatWasAnswered) {
  RedisOptions options;
  options.appendonly = true;
  options.appendfsync = "always";
  RedisServer server(options);
  Rig rig(server.url(), {}, "t", quick());
  std::atomic<int> done = 0;
  std::vector<std::thread> running;
  for (int t = 0; t < 2; ++t) {
    running.emplace_back([&rig, &done, t] {
      for (int i = 0; i < 75; ++i) {
        const std::string id = std::to_string(t) + "." + std::to_string(i);
        EXPECT_EQ(rig.produce(message(id), 30s), Produced::enqueued);
        ++done;
      }
    });
  }
  for (int kill = 1; kill <= 3; ++kill) {
    const bool in_time = wait_for(60s, [&] { return done >= kill * 30; });
    EXPECT_TRUE(in_time);
    if (!in_time) break;
    server.kill9();
    server.restart();
  }
  for (std::thread& thread : running) thread.join();
  const Strings ids = ids_in(server, normal(rig));
  EXPECT_EQ(ids.size(), 150U);
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), 150U);
}

}  // namespace
}  // namespace mx_rmq::test
