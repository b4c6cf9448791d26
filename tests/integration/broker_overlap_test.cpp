// Several batches under way at the same time: nothing is lost, doubled or put out of order by it.
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

std::vector<OutgoingEnvelope> messages(int count) {
  std::vector<OutgoingEnvelope> out;
  for (int i = 0; i < count; ++i) out.push_back(message(std::to_string(i)));
  return out;
}

Strings numbers(int count) {
  Strings out;
  for (int i = 0; i < count; ++i) out.push_back(std::to_string(i));
  return out;
}

ProducerOptions small_batches() {
  ProducerOptions options;
  options.max_batch_messages = 100;
  options.overlap_messages = 10;
  options.resend_after = 300ms;
  return options;
}

TEST(BrokerOverlap, WithManyWaitingThreeBatchesAreUnderWayAndOrderIsKept) {
  RedisServer server;
  Rig rig(server.url(), small_batches());
  rig.produce(message("first"));
  server.command({"DEL", normal(rig)});
  server.pause();
  const auto pending = rig.start(messages(500), {20s});
  std::size_t in_flight = 0;
  EXPECT_TRUE(wait_for(5s, [&] {
    rig.on_loop([&] { in_flight = rig.producer().in_flight(); });
    return in_flight == 300;
  })) << in_flight;
  server.resume();
  rig.wait(pending);
  for (const auto& each : pending) EXPECT_EQ(each->outcome.error, nullptr);
  EXPECT_EQ(ids_in(server, normal(rig)), numbers(500));
}

TEST(BrokerOverlap, AFewMessagesWaitForTheBatchUnderWay) {
  RedisServer server;
  Rig rig(server.url(), small_batches());
  rig.produce(message("first"));
  server.pause();
  const auto first = rig.start(messages(100), {20s});
  const auto few = rig.start(messages(9), {20s});
  std::size_t in_flight = 0;
  std::size_t waiting = 0;
  EXPECT_TRUE(wait_for(5s, [&] {
    rig.on_loop([&] {
      in_flight = rig.producer().in_flight();
      waiting = rig.producer().waiting();
    });
    return in_flight == 100;
  }));
  EXPECT_EQ(waiting, 9U);
  server.resume();
  rig.wait(first);
  rig.wait(few);
}

TEST(BrokerOverlap, BatchesRefusedTogetherGoAgainInTheOrderOfSubmission) {
  RedisServer server;
  Rig rig(server.url(), small_batches());
  rig.produce(message("first"));
  server.command({"DEL", normal(rig)});
  server.command({"CONFIG", "SET", "min-replicas-to-write", "1"});
  const auto pending = rig.start(messages(500), {20s});
  // All batches were made, refused, and taken apart again.
  std::uint64_t rounds = 0;
  std::size_t before = 0;
  EXPECT_TRUE(wait_for(10s, [&] {
    std::size_t in_flight = 0;
    rig.on_loop([&] { in_flight = rig.producer().in_flight(); });
    if (before > 0 && in_flight == 0) ++rounds;
    before = in_flight;
    return rounds >= 2;
  }));
  server.command({"CONFIG", "SET", "min-replicas-to-write", "0"});
  rig.wait(pending);
  for (const auto& each : pending) EXPECT_EQ(each->outcome.error, nullptr);
  EXPECT_EQ(ids_in(server, normal(rig)), numbers(500));
}

TEST(BrokerOverlap, LostCallsAndRepliesOfAllSendersEnqueueOnce) {
  RedisServer server;
  FaultProxy proxy(server.socket_path(), server.directory() + "/proxy.sock");
  redis::ConnectionOptions quick;
  quick.backoff_min = 1ms;
  quick.backoff_max = 20ms;
  Rig rig(proxy.url(), small_batches(), "t", quick);
  std::atomic<int> seen = 0;
  proxy.judge_commands([&seen](const SeenCommand& call) {
    if (call.script != "produce") return CommandFate::pass;
    const int n = ++seen;
    return n % 7 == 3   ? CommandFate::lose_reply
           : n % 7 == 5 ? CommandFate::lose
                        : CommandFate::pass;
  });
  constexpr int count = 5'000;
  const auto pending = rig.start(messages(count), {60s});
  rig.wait(pending);
  for (const auto& each : pending) {
    EXPECT_EQ(each->outcome.error, nullptr);
    EXPECT_EQ(each->outcome.result, Produced::enqueued);
  }
  const Strings ids = ids_in(server, normal(rig));
  EXPECT_EQ(ids.size(), static_cast<std::size_t>(count));
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), static_cast<std::size_t>(count));
  EXPECT_GT(rig.producer().counts().resent, 0U);
  // Each sender counted on its own.
  EXPECT_EQ(server.command({"KEYS", rig.keys.producer("*")}).strings().size(), 3U);
}

}  // namespace
}  // namespace mx_rmq::test
