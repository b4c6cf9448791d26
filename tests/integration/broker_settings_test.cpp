// What is set for a topic, as producers and consumers learn of it.
#include <gtest/gtest.h>

#include "broker/scripts/calls_settings.hpp"
#include "broker/settings_watch.hpp"
#include "integration/broker_fixture.hpp"
#include "support/wait.hpp"

namespace mx_rmq::test {
namespace {

using broker::Claim;
using broker::Configure;
using broker::CopySettings;
using broker::SettingsWatch;
using broker::StoredSettings;
using broker::Sweep;

Configure::Args partitions(int count) {
  Configure::Args args;
  args.partitions = count;
  return args;
}

Configure::Reply configure(Rig& rig, const Configure::Args& args) {
  return rig.run([&] { return rig.broker().call<Configure>(args, rig.in(10s)); });
}

std::int64_t version_of(RedisServer& server, const Rig& rig) {
  const Value value = server.command({"HGET", rig.keys.settings, "version"});
  return value.is_nil() ? 0 : std::stoll(value.str());
}

TEST(BrokerSettings, ClaimsAndSweepsTellTheVersion) {
  RedisServer server;
  Rig rig(server.url());
  const auto claimed = [&](std::uint64_t number) {
    Claim::Args args;
    args.consumer = "c.0";
    args.number = number;
    args.most = 10;
    args.lease = 30s;
    args.fresh = true;
    args.bytes = 100'000;
    return rig.run([&] { return rig.broker().call<Claim>(args, rig.in(10s)); });
  };
  const auto swept = [&] {
    Sweep::Args args;
    args.consumer = "c.0";
    args.number = 1;
    args.bytes = 1'000;
    args.longest_lease = 60s;
    return rig.run([&] { return rig.broker().call<Sweep>(args, rig.in(10s)); });
  };
  rig.produce(message("a"));
  EXPECT_EQ(claimed(1).settings, 0);
  EXPECT_EQ(swept().settings, 0);
  const std::int64_t version = configure(rig, partitions(4)).settings.version;
  EXPECT_EQ(version, version_of(server, rig));
  rig.produce(message("b"));
  const Claim::Reply reply = claimed(2);
  EXPECT_EQ(reply.settings, version);
  EXPECT_EQ(reply.envelopes.size(), 1U);
  EXPECT_EQ(swept().settings, version);
}

TEST(BrokerSettings, AProducerLooksWithItsFirstBatchAndThenNowAndThen) {
  RedisServer server;
  for (const bool often : {true, false}) {
    std::vector<std::int64_t> seen;
    ProducerOptions options;
    options.settings_seen = [&](std::int64_t version) { seen.push_back(version); };
    options.look_every = often ? 0ms : 3'600'000ms;
    Rig rig(server.url(), options, often ? "often" : "seldom");
    rig.produce(message("a"));
    EXPECT_EQ(seen, (std::vector<std::int64_t>{0}));
    const std::int64_t version = configure(rig, partitions(2)).settings.version;
    rig.produce(message("b"));
    rig.produce(message("c"));
    if (often) {
      EXPECT_EQ(seen, (std::vector<std::int64_t>{0, version, version}));
    } else {
      EXPECT_EQ(seen.size(), 1U);
    }
  }
}

TEST(BrokerSettings, AWatchReadsTheRestOfAVersionThatItDoesNotKnow) {
  RedisServer server;
  Rig rig(server.url());
  std::vector<StoredSettings> told;
  std::unique_ptr<SettingsWatch> watch;
  rig.on_loop([&] {
    watch = std::make_unique<SettingsWatch>(rig.scope(), rig.broker().caller(), rig.keys, 10s);
    watch->on_change([&](const StoredSettings& settings) { told.push_back(settings); });
    EXPECT_EQ(watch->known(), StoredSettings());
    watch->seen(0);  // as it knows
  });
  const std::int64_t version = configure(rig, partitions(4)).settings.version;
  const std::int64_t calls = calls_of(server, "evalsha");
  rig.on_loop([&] {
    watch->seen(version);
    watch->seen(version);
  });
  const auto known = [&] {
    StoredSettings out;
    rig.on_loop([&] { out = watch->known(); });
    return out;
  };
  ASSERT_TRUE(wait_for(30s, [&] { return known().version == version; }));
  EXPECT_EQ(known().partitions, 4);
  rig.on_loop([&] { watch->seen(version); });
  const StoredSettings now = rig.run([&] { return watch->read(rig.in(10s)); });
  EXPECT_EQ(now, known());
  EXPECT_EQ(calls_of(server, "evalsha"), calls + 2)
      << "one when it was told, one when it was asked";
  EXPECT_EQ(told.size(), 1U);
  // What it changes itself it knows, and what it may not change says why.
  rig.run([&] { return watch->change(partitions(6), rig.in(10s)); });
  EXPECT_EQ(known().partitions, 6);
  EXPECT_EQ(told.size(), 2U);
  std::exception_ptr refused;
  try {
    rig.run([&] { return watch->change(partitions(5), rig.in(10s)); });
  } catch (...) {
    refused = std::current_exception();
  }
  EXPECT_EQ(kind(refused), "ServerError SETTINGS");
  rig.on_loop([&] { watch.reset(); });
}

TEST(BrokerSettings, WhatAWatchCannotReadLeavesItWithTheLast) {
  RedisServer server;
  Rig rig(server.url());
  std::unique_ptr<SettingsWatch> watch;
  rig.on_loop([&] {
    watch = std::make_unique<SettingsWatch>(rig.scope(), rig.broker().caller(), rig.keys, 10s);
  });
  const Configure::Reply set =
      rig.run([&] { return rig.broker().call<Configure>(partitions(4), rig.in(10s)); });
  rig.run([&] { return watch->read(rig.in(10s)); });
  server.command({"HSET", rig.keys.settings, "version", "none", "partitions", "9"});
  const std::int64_t calls = calls_of(server, "evalsha");
  rig.on_loop([&] { watch->seen(-1); });
  ASSERT_TRUE(wait_for(30s, [&] { return calls_of(server, "evalsha") > calls; }));
  rig.run([&] { return rig.scope().join(); });  // what was asked is answered
  rig.on_loop([&] {
    EXPECT_EQ(watch->known(), set.settings);
    watch.reset();
  });
}

TEST(BrokerSettings, ACopyOpensWithALaterVersionOnly) {
  RedisServer server;
  Rig rig(server.url());
  const auto copy = [&](std::int64_t version, int count) {
    CopySettings::Args args;
    args.settings.version = version;
    args.settings.partitions = count;
    args.settings.others.emplace_back("of a later time", "x");
    return rig.run([&] { return rig.broker().call<CopySettings>(args, rig.in(10s)); }).version;
  };
  EXPECT_EQ(copy(10, 4), 10);
  EXPECT_EQ(copy(9, 8), 10);
  EXPECT_EQ(copy(10, 8), 10);
  EXPECT_EQ(server.command({"HGET", rig.keys.settings, "partitions"}).str(), "4");
  EXPECT_EQ(copy(11, 8), 11);
  EXPECT_EQ(server.command({"HGET", rig.keys.settings, "partitions"}).str(), "8");
  EXPECT_EQ(server.command({"HGET", rig.keys.settings, "of a later time"}).str(), "x");
}

}  // namespace
}  // namespace mx_rmq::test
