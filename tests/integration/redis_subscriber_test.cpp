// Subscriptions on a real server: heard, kept over lost connections, and mute where rights are
// missing.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "integration/redis_fixture.hpp"
#include "redis/topology/subscription.hpp"
#include "support/fault_proxy.hpp"
#include "support/redis_server.hpp"
#include "support/wait.hpp"

namespace mx_rmq::test {
namespace {

using redis::ChannelKind;
using redis::Subscription;

redis::ClientOptions quick(const std::string& url) {
  redis::ClientOptions options = client_options(url);
  options.connection.backoff_min = 5ms;
  options.connection.backoff_max = 50ms;
  options.connection.refused_retry = 100ms;
  return options;
}

// One that listens, and what it was told.
class Ear {
 public:
  Ear(RedisLoop& redis, std::string channel) : redis_(redis) {
    redis_.on_loop([&] {
      Subscription::Events events;
      events.up = [this](std::uint64_t epoch) { note("up " + std::to_string(epoch)); };
      events.down = [this] { note("down"); };
      events.message = [this](std::string_view payload) { note(std::string(payload)); };
      subscription_ = redis_.client().subscribe(channel, std::move(events));
      EXPECT_EQ(told_.size(), 0U) << "nothing is told inside subscribe()";
    });
  }
  ~Ear() {
    redis_.on_loop([&] { subscription_.reset(); });
  }
  Ear(const Ear&) = delete;
  Ear& operator=(const Ear&) = delete;

  std::uint64_t epoch() {
    std::uint64_t epoch = 0;
    redis_.on_loop([&] { epoch = subscription_->epoch(); });
    return epoch;
  }
  // Up, in another epoch than `before`; false after 5 s.
  bool is_up(std::uint64_t before = 0) {
    return wait_for(5s, [&] {
      const std::uint64_t now = epoch();
      return now != 0 && now != before;
    });
  }
  bool heard(const std::string& what, std::size_t times = 1) {
    return wait_for(5s, [&] {
      const std::vector<std::string> all = told();
      return static_cast<std::size_t>(std::ranges::count(all, what)) >= times;
    });
  }
  std::vector<std::string> told() {
    const std::lock_guard lock(mutex_);
    return told_;
  }

 private:
  void note(std::string text) {
    const std::lock_guard lock(mutex_);
    told_.push_back(std::move(text));
  }

  RedisLoop& redis_;
  std::unique_ptr<Subscription> subscription_;
  std::mutex mutex_;
  std::vector<std::string> told_;
};

std::string mute_of(RedisLoop& redis) {
  std::string text;
  redis.on_loop([&] { text = redis.client().health().mute; });
  return text;
}

using Words = std::vector<std::string>;

TEST(RedisSubscriber, HearsWhatIsPublishedInOrderAndNoHello) {
  RedisServer server;
  RedisLoop redis(quick(server.url()));
  Ear ear(redis, "P:to:me");
  ASSERT_TRUE(ear.is_up());
  for (const char* const text : {"one", "two", "three"}) {
    EXPECT_EQ(server.command({"PUBLISH", "P:to:me", text}).num(), 1);
  }
  ASSERT_TRUE(ear.heard("three"));
  EXPECT_EQ(ear.told(), (Words{"up 1", "one", "two", "three"}));
  EXPECT_EQ(mute_of(redis), "");
}

TEST(RedisSubscriber, ScriptsReachItOnShardedChannelsToo) {
  RedisServer server;
  redis::ClientOptions options = quick(server.url());
  options.channels = ChannelKind::sharded;
  RedisLoop redis(std::move(options));
  Ear ear(redis, "{T}:to:me");
  ASSERT_TRUE(ear.is_up());
  redis.on_loop([&] { EXPECT_EQ(redis.client().lane(1).channels(), ChannelKind::sharded); });
  const std::string script = "return redis.call('SPUBLISH', '{T}:to:me', 'from a script')";
  EXPECT_EQ(server.command({"EVAL", script, "0"}).num(), 1);
  EXPECT_TRUE(ear.heard("from a script"));
}

TEST(RedisSubscriber, ManyChannelsShareOneConnectionAndGoWithTheirLastListener) {
  RedisServer server;
  RedisLoop redis(quick(server.url()));
  std::vector<std::unique_ptr<Ear>> ears;
  for (int i = 0; i < 100; ++i) {
    ears.push_back(std::make_unique<Ear>(redis, "channel-" + std::to_string(i)));
  }
  ears.push_back(std::make_unique<Ear>(redis, "channel-0"));
  for (const auto& ear : ears) ASSERT_TRUE(ear->is_up());
  EXPECT_EQ(server.command({"PUBSUB", "CHANNELS"}).list().size(), 100U);
  redis::ClientHealth health;
  redis.on_loop([&] { health = redis.client().health(); });
  EXPECT_EQ(health.lanes, 2U) << "lane 0, which hellos go over, and the one that listens";
  server.command({"PUBLISH", "channel-0", "to both"});
  EXPECT_TRUE(ears.front()->heard("to both"));
  EXPECT_TRUE(ears.back()->heard("to both"));
  ears.resize(50);
  EXPECT_TRUE(wait_for(5s, [&] {
    return server.command({"PUBSUB", "CHANNELS"}).list().size() == 50U;
  }));
  EXPECT_TRUE(ears.front()->is_up());
}

TEST(RedisSubscriber, ALostConnectionIsANewEpochAndWhatIsPublishedAfterItIsHeard) {
  RedisServer server;
  RedisLoop redis(quick(server.url()));
  Ear ear(redis, "c");
  ASSERT_TRUE(ear.is_up());
  for (int round = 0; round < 20; ++round) {
    const std::uint64_t before = ear.epoch();
    server.command({"CLIENT", "KILL", "TYPE", "pubsub"});
    ASSERT_TRUE(ear.is_up(before));
    const std::string text = "round " + std::to_string(round);
    EXPECT_EQ(server.command({"PUBLISH", "c", text}).num(), 1);
    EXPECT_TRUE(ear.heard(text));
  }
  EXPECT_TRUE(ear.heard("down", 20));
}

TEST(RedisSubscriber, ALostLaneIsANewEpochToo) {
  RedisServer server;
  RedisLoop redis(quick(server.url()));
  Ear ear(redis, "c");
  ASSERT_TRUE(ear.is_up());
  const std::uint64_t before = ear.epoch();
  server.command({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
  ASSERT_TRUE(ear.is_up(before));
  EXPECT_TRUE(ear.heard("down"));
}

TEST(RedisSubscriber, ServerGoneAndBack) {
  RedisServer server;
  RedisLoop redis(quick(server.url()));
  Ear ear(redis, "c");
  ASSERT_TRUE(ear.is_up());
  const std::uint64_t before = ear.epoch();
  server.kill9();
  EXPECT_TRUE(ear.heard("down"));
  server.restart();
  ASSERT_TRUE(ear.is_up(before));
  server.command({"PUBLISH", "c", "again"});
  EXPECT_TRUE(ear.heard("again"));
}

// A connection that swallows everything without ending: only the hello finds out.
TEST(RedisSubscriber, AConnectionThatHasFallenSilentIsFoundOutByTheHello) {
  RedisServer server;
  FaultProxy proxy(server.socket_path(), server.directory() + "/proxy.sock");
  RedisLoop redis(quick(proxy.url()));
  Ear ear(redis, "c");
  ASSERT_TRUE(ear.is_up());
  const std::uint64_t before = ear.epoch();
  // The first connection is the one that listens; the lane was opened for the hello.
  const std::uint64_t listening = 1;
  proxy.stall_connection(listening, true);
  redis.on_loop([&] {
    redis::Lane& lane = redis.client().lane(0);
    lane.reconnect(lane.epoch(), "to have a hello said now");
  });
  ASSERT_TRUE(ear.is_up(before)) << "within 2 s and a new connection";
  server.command({"PUBLISH", "c", "heard"});
  EXPECT_TRUE(ear.heard("heard"));
}

// The lane and the connection that listens lead to different servers, as with a name that moved.
TEST(RedisSubscriber, IsNotUpWhileItListensElsewhereThanTheLanePublishes) {
  RedisServer first;
  RedisServer second;
  FaultProxy proxy(first.socket_path(), first.directory() + "/proxy.sock");
  RedisLoop redis(quick(proxy.url()));
  Ear ear(redis, "c");
  ASSERT_TRUE(ear.is_up());
  const std::uint64_t before = ear.epoch();
  proxy.lead_to(second.socket_path());
  redis.on_loop([&] {
    redis::Lane& lane = redis.client().lane(0);
    lane.reconnect(lane.epoch(), "the name has moved");
  });
  ASSERT_TRUE(ear.is_up(before));
  EXPECT_EQ(second.command({"PUBLISH", "c", "there"}).num(), 1) << "it went along";
  EXPECT_TRUE(ear.heard("there"));
}

TEST(RedisSubscriber, CutAtEveryPlaceItComesUpAgain) {
  RedisServer server;
  FaultProxy proxy(server.socket_path(), server.directory() + "/proxy.sock");
  RedisLoop redis(quick(proxy.url()));
  // Each connection ends a few bytes later than the one before it, either way, until the cut lies
  // beyond all that has to be said.
  proxy.plan([](std::uint64_t connection) -> std::optional<ByteFault> {
    ByteFault fault;
    fault.direction = connection % 2 == 0 ? Direction::to_client : Direction::to_server;
    fault.at = connection * 5;
    return fault;
  });
  Ear ear(redis, "c");
  ASSERT_TRUE(wait_for(20s, [&] { return ear.epoch() != 0; }));
  EXPECT_GT(proxy.counts().spoiled, 15U);
  proxy.heal();
  ASSERT_TRUE(ear.is_up());
  server.command({"PUBLISH", "c", "whole"});
  EXPECT_TRUE(ear.heard("whole"));
}

TEST(RedisSubscriber, WithoutTheRightToSubscribeItIsMuteAndComesUpWhenItMay) {
  RedisOptions options;
  options.users = {"bob on >pw ~* &* +@all -subscribe"};
  RedisServer server(options);
  redis::ClientOptions client = quick(server.url());
  client.endpoint.user = "bob";
  client.endpoint.password = redis::Secret("pw");
  RedisLoop redis(std::move(client));
  Ear ear(redis, "c");
  EXPECT_TRUE(wait_for(5s, [&] { return mute_of(redis).starts_with("SUBSCRIBE refused: NOPERM"); }))
      << mute_of(redis);
  EXPECT_EQ(ear.epoch(), 0U);
  EXPECT_FALSE(redis.send(redis::Command::of("PING")).is_error()) << "everything else works";
  server.command({"ACL", "SETUSER", "bob", "+subscribe"});
  ASSERT_TRUE(ear.is_up());
  EXPECT_EQ(mute_of(redis), "");
}

TEST(RedisSubscriber, WithoutTheRightToPublishItIsMute) {
  RedisOptions options;
  options.users = {"bob on >pw ~* &* +@all -publish -unsubscribe"};
  RedisServer server(options);
  redis::ClientOptions client = quick(server.url());
  client.endpoint.user = "bob";
  client.endpoint.password = redis::Secret("pw");
  RedisLoop redis(std::move(client));
  {
    Ear ear(redis, "c");
    EXPECT_TRUE(wait_for(5s, [&] { return mute_of(redis).starts_with("PUBLISH refused: NOPERM"); }))
        << mute_of(redis);
    EXPECT_EQ(ear.epoch(), 0U);
  }
  server.command({"ACL", "SETUSER", "bob", "+publish"});
  Ear other(redis, "d");
  EXPECT_TRUE(other.is_up()) << "an UNSUBSCRIBE that was refused does no harm";
}

TEST(RedisSubscriber, NothingIsToldAfterTheClientWasClosed) {
  RedisServer server;
  RedisLoop redis(quick(server.url()));
  auto ear = std::make_unique<Ear>(redis, "c");
  ASSERT_TRUE(ear->is_up());
  redis.run([&] { return redis.client().close(redis.loop().now() + 1s); });
  EXPECT_EQ(ear->epoch(), 0U);
  EXPECT_EQ(ear->told(), Words{"up 1"});
  EXPECT_TRUE(wait_for(5s, [&] { return server.command({"PUBSUB", "CHANNELS"}).list().empty(); }));
  Ear late(redis, "d");
  EXPECT_EQ(late.epoch(), 0U);
}

}  // namespace
}  // namespace mx_rmq::test
