// Group commit on a real server: sharing batches, results, limits, order.
#include <gtest/gtest.h>

#include <algorithm>
#include <latch>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "broker/scripts/calls_claim.hpp"
#include "integration/broker_fixture.hpp"
#include "support/wait.hpp"

namespace mx_rmq::test {
namespace {

using Strings = std::vector<std::string>;

std::vector<OutgoingEnvelope> numbered(int count, const std::string& prefix = "m") {
  std::vector<OutgoingEnvelope> out;
  for (int i = 0; i < count; ++i) {
    std::string digits = std::to_string(i);
    digits.insert(0, 6 - std::min<std::size_t>(6, digits.size()), '0');
    out.push_back(message(prefix + digits));
  }
  return out;
}

TEST(BrokerProducer, PutsAWholeEnvelopeIntoTheListOfItsPriority) {
  RedisServer server;
  ProducerOptions options;
  options.max_recoveries = 4;
  Rig rig(server.url(), options);
  EXPECT_EQ(rig.produce(message("a", "[1]", MessagePriority::high)), Produced::enqueued);
  EXPECT_EQ(rig.produce(message("b", "[2]", MessagePriority::low)), Produced::enqueued);
  const auto list = server.command({"LRANGE", rig.keys.ready(broker::List::high), "0", "-1"});
  ASSERT_EQ(list.strings().size(), 1U);
  const std::string stored = list.strings()[0];
  const auto view = broker::parse_envelope(stored);
  ASSERT_TRUE(view) << stored;
  EXPECT_EQ(view->id, "a");
  EXPECT_EQ(view->payload, "[1]");
  EXPECT_EQ(view->max_recoveries, 4);
  EXPECT_EQ(view->ttl, 3'600'000);
  EXPECT_EQ(view->expire_at, view->created_at + view->ttl);
  EXPECT_FALSE(view->chosen_id());
  const auto time = server.command({"TIME"});
  EXPECT_NEAR(static_cast<double>(view->created_at), static_cast<double>(time[0].num()) * 1e3, 5e3);
  EXPECT_EQ(ids_in(server, rig.keys.ready(broker::List::low)), (Strings{"b"}));
  EXPECT_EQ(server.command({"HGET", rig.keys.stats, "produced"}).num(), 2);
}

TEST(BrokerProducer, WhatWasRoutedByOtherSettingsIsNotStored) {
  RedisServer server;
  Rig rig(server.url());
  OutgoingEnvelope routed = message("a");
  routed.keyed = true;
  routed.must = 7;
  EXPECT_EQ(rig.produce(routed), Produced::stale);
  EXPECT_EQ(server.command({"EXISTS", rig.keys.ready(broker::List::normal), rig.keys.stats}).num(),
            0);
  routed.must = 0;  // nothing is set
  EXPECT_EQ(rig.produce(routed), Produced::enqueued);
  const Value until = server.command({"HGET", rig.keys.settings, "ids_until"});
  ASSERT_FALSE(until.is_nil()) << "a key may be in work until then";
  EXPECT_GT(until.num(), server.command({"TIME"})[0].num() * 1000);
  server.command({"HSET", rig.keys.settings, "version", "9"});
  EXPECT_EQ(rig.produce(routed), Produced::stale);
  EXPECT_EQ(ids_in(server, rig.keys.ready(broker::List::normal)), (Strings{"a"}));
}

TEST(BrokerProducer, WhatMayGoElsewhereDoesNotWaitForAConnection) {
  RedisServer server;
  const std::string url = server.url();
  Rig rig(url);
  rig.produce(message("first"));
  server.kill9();
  ASSERT_TRUE(wait_for(10s, [&] {
    bool connected = true;
    rig.on_loop([&] { connected = rig.producer().connected(); });
    return !connected;
  }));
  OutgoingEnvelope may_move = message("b");
  may_move.may_move = true;
  EXPECT_EQ(rig.produce(may_move, 60s), Produced::moved);
}

TEST(BrokerProducer, AHundredConcurrentProducesTravelInOneBatch) {
  RedisServer server;
  Rig rig(server.url());
  rig.produce(message("first"));
  const std::int64_t before = calls_of(server, "evalsha");
  rig.wait(rig.start(numbered(100), {10s}));
  EXPECT_LE(calls_of(server, "evalsha") - before, 2);
  EXPECT_EQ(server.command({"LLEN", rig.keys.ready(broker::List::normal)}).num(), 101);
}

TEST(BrokerProducer, TwoThreadsAtTheSameMomentShareABatch) {
  RedisServer server;
  Rig rig(server.url());
  rig.produce(message("first"));
  const std::int64_t before = calls_of(server, "evalsha");
  // The loop is held until both have handed their message over: that is the same moment to it.
  std::latch held(1);
  std::latch handed_over(2);
  rig.loop().post([&] {
    held.count_down();
    handed_over.wait();
  });
  held.wait();
  std::vector<std::unique_ptr<Pending>> pending;
  std::vector<std::thread> threads;
  for (const char* id : {"a", "b"}) {
    pending.push_back(std::make_unique<Pending>());
    threads.emplace_back([&rig, &handed_over, id, mine = pending.back().get()] {
      rig.loop().post([&rig, id, mine] { rig.start_here(message(id), 10s, mine); });
      handed_over.count_down();
    });
  }
  for (std::thread& thread : threads) thread.join();
  rig.wait(pending);
  for (const auto& each : pending) EXPECT_EQ(kind(each->outcome.error), "");
  EXPECT_EQ(calls_of(server, "evalsha") - before, 1);
}

TEST(BrokerProducer, MessagesThatArriveDuringABatchFormTheNextOne) {
  RedisServer server;
  Rig rig(server.url());
  rig.produce(message("first"));
  const std::int64_t before = calls_of(server, "evalsha");
  server.pause();
  const auto one = rig.start({message("one")}, {10s});
  while (true) {
    std::size_t in_flight = 0;
    rig.on_loop([&] { in_flight = rig.producer().in_flight(); });
    if (in_flight == 1) break;
  }
  const auto many = rig.start(numbered(50), {10s});
  server.resume();
  rig.wait(one);
  rig.wait(many);
  EXPECT_EQ(calls_of(server, "evalsha") - before, 2);
}

TEST(BrokerProducer, LargeSubmissionsAreCutByCountAndByBytes) {
  RedisServer server;
  Rig rig(server.url());
  rig.produce(message("first"));
  std::int64_t before = calls_of(server, "evalsha");
  for (const ProduceOutcome& each : rig.produce_all(numbered(2'500)))
    EXPECT_EQ(kind(each.error), "");
  EXPECT_EQ(calls_of(server, "evalsha") - before, 10);  // of 256 messages at most
  before = calls_of(server, "evalsha");
  std::vector<OutgoingEnvelope> large;
  for (int i = 0; i < 9; ++i)
    large.push_back(message(std::to_string(i), std::string(1 << 20, 'x')));
  for (const ProduceOutcome& each : rig.produce_all(std::move(large)))
    EXPECT_EQ(kind(each.error), "");
  EXPECT_EQ(calls_of(server, "evalsha") - before,
            3);  // 3 MiB and their heads: a fourth passes 4 MiB
  EXPECT_EQ(server.command({"LLEN", rig.keys.ready(broker::List::normal)}).num(), 2'510);
}

TEST(BrokerProducer, ChosenIdsAreCheckedWithinABatchAndAcross) {
  RedisServer server;
  Rig rig(server.url());
  std::vector<OutgoingEnvelope> batch;
  batch.push_back(message("x"));  // a generated id is compared with none
  batch.push_back(chosen("x", "1"));
  batch.push_back(chosen("y", "2"));
  batch.push_back(chosen("x", "3"));
  batch.push_back(message("z"));
  const auto out = rig.produce_all(std::move(batch));
  ASSERT_EQ(out.size(), 5U);
  EXPECT_EQ(out[0].result, Produced::enqueued);
  EXPECT_EQ(out[1].result, Produced::enqueued);
  EXPECT_EQ(out[2].result, Produced::enqueued);
  EXPECT_EQ(out[3].result, Produced::duplicate);
  EXPECT_EQ(out[4].result, Produced::enqueued);
  EXPECT_EQ(rig.produce(chosen("y", "4")), Produced::duplicate);
  OutgoingEnvelope delayed = chosen("y", "5");
  delayed.delay = 1h;
  EXPECT_EQ(rig.produce(std::move(delayed)), Produced::duplicate);
  EXPECT_EQ(ids_in(server, rig.keys.ready(broker::List::normal)), (Strings{"x", "x", "y", "z"}));
  EXPECT_EQ(server.command({"HGET", rig.keys.stats, "duplicates"}).num(), 3);
}

broker::Claim::Args claim_args(std::uint64_t number) {
  broker::Claim::Args args;
  args.consumer = "c";
  args.number = number;
  args.most = 1'000;
  args.lease = 60s;
  args.promote = 1'000;
  args.fresh = number == 1;
  args.bytes = 1 << 20;
  return args;
}

Strings claim_ids(Rig& rig, std::uint64_t number) {
  const auto got =
      rig.run([&] { return rig.broker().call<broker::Claim>(claim_args(number), rig.in(5s)); });
  Strings out;
  for (const std::string& envelope : got.envelopes) {
    out.emplace_back(broker::parse_envelope(envelope)->id);
  }
  return out;
}

TEST(BrokerProducer, DelayedMessagesOfOneDueTimeKeepTheirOrder) {
  RedisServer server;
  Rig rig(server.url());
  rig.produce(message("now"));
  std::int64_t due = 0;
  rig.on_loop([&] { due = rig.client().clock().now_ms() + 3'600'000; });
  std::vector<OutgoingEnvelope> batch = numbered(300);
  Strings want;
  for (OutgoingEnvelope& each : batch) {
    each.at = due;
    want.push_back(each.id);
  }
  rig.produce_all(std::move(batch));
  EXPECT_EQ(server.command({"ZCARD", rig.keys.delayed}).num(), 300);
  EXPECT_EQ(claim_ids(rig, 1), (Strings{"now"}));
  EXPECT_EQ(server.command({"ZRANGE", rig.keys.delayed, "0", "-1"}).strings(), want);
  std::vector<std::string> come_due{"ZADD", rig.keys.delayed, "XX"};
  for (const std::string& id : want) come_due.insert(come_due.end(), {"1000", id});
  server.command(come_due);
  EXPECT_EQ(claim_ids(rig, 2), want);
}

TEST(BrokerProducer, ADelayIsReckonedByTheServersClockFromTheBatchOn) {
  RedisServer server;
  Rig rig(server.url());
  OutgoingEnvelope late = message("late");
  late.delay = 1h;
  rig.produce(std::move(late));
  const auto time = server.command({"TIME"});
  const double now =
      static_cast<double>(time[0].num()) * 1e3 + static_cast<double>(time[1].num()) / 1e3;
  const double due =
      static_cast<double>(server.command({"ZSCORE", rig.keys.delayed, "late"}).num());
  EXPECT_NEAR(due, now + 3.6e6, 2e3);
  const std::string stored = server.command({"HGET", rig.keys.delayed_data, "late"}).str();
  const auto view = broker::parse_envelope(stored);
  ASSERT_TRUE(view);
  EXPECT_EQ(static_cast<double>(view->expire_at), due + 3.6e6);
}

TEST(BrokerProducer, ANumberThatIsTakenMakesItTakeAnotherId) {
  RedisServer server;
  ProducerOptions options;
  options.id = "mine";
  Rig rig(server.url(), options);
  server.command({"SET", rig.keys.producer("mine"), "1000"});
  EXPECT_EQ(rig.produce(message("a")), Produced::enqueued);
  EXPECT_NE(rig.producer().id(), "mine");
  EXPECT_EQ(rig.produce(message("b")), Produced::enqueued);
  EXPECT_EQ(ids_in(server, rig.keys.ready(broker::List::normal)), (Strings{"a", "b"}));
}

TEST(BrokerProducer, KeepsItsNumberForTwiceTheLongestDeadline) {
  RedisServer server;
  ProducerOptions options;
  options.id = "mine";
  options.longest_timeout = 40s;
  Rig rig(server.url(), options);
  rig.produce(message("a"));
  rig.produce(message("b"));
  EXPECT_EQ(server.command({"GET", rig.keys.producer("mine")}).num(), 2);
  const std::int64_t left = server.command({"PTTL", rig.keys.producer("mine")}).num();
  EXPECT_GT(left, 70'000);
  EXPECT_LE(left, 80'000);
}

TEST(BrokerProducer, HundredThousandFromEightThreadsAreAllThereOnceInOrder) {
  RedisServer server;
  Rig rig(server.url());
  constexpr int threads = 8;
  constexpr int rounds = 500;
  constexpr int each = 25;
  std::vector<std::thread> running;
  for (int t = 0; t < threads; ++t) {
    running.emplace_back([&rig, t] {
      for (int r = 0; r < rounds; ++r) {
        std::vector<OutgoingEnvelope> batch;
        for (int i = 0; i < each; ++i) {
          batch.push_back(message(std::to_string(t) + "." + std::to_string(r * each + i)));
        }
        for (const ProduceOutcome& out : rig.produce_all(std::move(batch), 30s)) {
          ASSERT_EQ(kind(out.error), "");
        }
      }
    });
  }
  for (std::thread& thread : running) thread.join();
  std::map<std::string, int> next;
  const Strings ids = ids_in(server, rig.keys.ready(broker::List::normal));
  ASSERT_EQ(ids.size(), 100'000U);
  for (const std::string& id : ids) {
    const std::size_t dot = id.find('.');
    ASSERT_EQ(std::stoi(id.substr(dot + 1)), next[id.substr(0, dot)]++) << id;
  }
  EXPECT_EQ(next.size(), 8U);
}

}  // namespace
}  // namespace mx_rmq::test
