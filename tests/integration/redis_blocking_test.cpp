// Blocking waits: woken, timed out, interrupted, lost.
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "integration/redis_fixture.hpp"
#include "mx_rmq/errors.hpp"
#include "support/redis_server.hpp"
#include "support/wait.hpp"

namespace mx_rmq::test {
namespace {

using redis::BlockingLane;
using redis::Command;
using redis::Reply;

class Blocking {
 public:
  explicit Blocking(redis::ClientOptions options) : redis(std::move(options)) {
    redis.on_loop([&] { lane = redis.client().open_blocking(); });
  }
  ~Blocking() {
    redis.on_loop([&] { lane.reset(); });
  }

  Reply wait(const std::string& seconds, std::chrono::milliseconds deadline) {
    return redis.run([&] {
      return lane->wait(Command::of("BZPOPMIN", "wake", seconds), redis.loop().now() + deadline);
    });
  }
  bool interrupt() {
    return redis.run([&] { return lane->interrupt(redis.loop().now() + 5s); });
  }

  RedisLoop redis;
  std::unique_ptr<BlockingLane> lane;
};

bool has_blocked(RedisServer& server) {
  return server.command({"INFO", "clients"}).text.find("blocked_clients:1") != std::string::npos;
}

TEST(RedisBlocking, IsWokenByAMarker) {
  RedisServer server;
  Blocking blocking(client_options(server.url()));
  std::thread waker([&] {
    EXPECT_TRUE(wait_for(5s, [&] { return has_blocked(server); }));
    server.command({"ZADD", "wake", "7", "marker"});
  });
  const Reply reply = blocking.wait("10", 12s);
  waker.join();
  ASSERT_EQ(reply.size(), 3U);
  EXPECT_EQ(reply.at(0).as_string(), "wake");
  EXPECT_EQ(reply.at(1).as_string(), "marker");
  EXPECT_EQ(reply.at(2).as_string(), "7");
}

TEST(RedisBlocking, GivesNilWhenTheServersTimeoutIsOver) {
  RedisServer server;
  Blocking blocking(client_options(server.url()));
  EXPECT_TRUE(blocking.wait("0.1", 5s).is_nil());
  EXPECT_TRUE(blocking.wait("0.1", 5s).is_nil());
}

TEST(RedisBlocking, CanBeInterruptedAtOnce) {
  RedisServer server;
  Blocking blocking(client_options(server.url()));
  EXPECT_FALSE(blocking.interrupt()) << "nothing is under way";
  std::optional<Reply> reply;
  const auto begin = WaitClock::now();
  std::thread waiter([&] { reply = blocking.wait("30", 35s); });
  EXPECT_TRUE(wait_for(5s, [&] { return has_blocked(server); }));
  EXPECT_TRUE(blocking.interrupt());
  waiter.join();
  EXPECT_LT(WaitClock::now() - begin, 5s);
  ASSERT_TRUE(reply.has_value());
  EXPECT_TRUE(reply->is_nil());
  // And it goes on working.
  server.command({"ZADD", "wake", "1", "m"});
  EXPECT_EQ(blocking.wait("1", 5s).size(), 3U);
}

TEST(RedisBlocking, WithoutARightToItsIdItIsInterruptedByDroppingTheConnection) {
  RedisOptions options;
  options.users = {"bob on >pw ~* &* -@all +time +bzpopmin +ping"};
  RedisServer server(options);
  Blocking blocking(client_options("unix://bob:pw@" + server.socket_path()));
  std::thread waiter([&] { EXPECT_THROW(blocking.wait("30", 35s), OutcomeUnknown); });
  EXPECT_TRUE(wait_for(5s, [&] { return has_blocked(server); }));
  EXPECT_TRUE(blocking.interrupt());
  waiter.join();
  EXPECT_TRUE(blocking.wait("0.1", 5s).is_nil());
}

TEST(RedisBlocking, ALostConnectionEndsTheWaitAndTheNextOneWorks) {
  RedisServer server;
  Blocking blocking(client_options(server.url()));
  for (int i = 0; i < 5; ++i) {
    std::thread waiter([&] { EXPECT_THROW(blocking.wait("30", 35s), OutcomeUnknown); });
    EXPECT_TRUE(wait_for(5s, [&] { return has_blocked(server); }));
    server.command({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
    waiter.join();
  }
  EXPECT_TRUE(blocking.wait("0.1", 5s).is_nil());
  std::uint64_t epoch = 0;
  blocking.redis.on_loop([&] { epoch = blocking.lane->epoch(); });
  EXPECT_EQ(epoch, 6U);
}

TEST(RedisBlocking, AWaitThatIsNotAnsweredByItsDeadlineDoesNotHoldUpTheNext) {
  RedisServer server;
  Blocking blocking(client_options(server.url()));
  EXPECT_THROW(blocking.wait("30", 200ms), OutcomeUnknown);
  EXPECT_TRUE(blocking.wait("0.1", 5s).is_nil()) << "on a connection of its own";
}

TEST(RedisBlocking, AMasterThatBecomesAReplicaUnblocksAndTheLaneConnectsAnew) {
  RedisServer server;
  Blocking blocking(client_options(server.url()));
  std::optional<Reply> reply;
  std::thread waiter([&] { reply = blocking.wait("30", 35s); });
  EXPECT_TRUE(wait_for(5s, [&] { return has_blocked(server); }));
  server.command({"REPLICAOF", "127.0.0.1", "1"});
  waiter.join();
  ASSERT_TRUE(reply.has_value());
  EXPECT_TRUE(reply->is_error());
  EXPECT_TRUE(reply->error_text().starts_with("UNBLOCKED")) << reply->describe();
  std::string error;
  const auto told = [&] {
    blocking.redis.on_loop([&] { error = blocking.lane->last_error(); });
    return error.starts_with("this is a replica of 127.0.0.1:1");
  };
  EXPECT_TRUE(wait_for(5s, told)) << error;
  server.command({"REPLICAOF", "NO", "ONE"});
  const auto anew = [&] {
    std::uint64_t epoch = 0;
    blocking.redis.on_loop([&] { epoch = blocking.lane->epoch(); });
    return epoch == 2;
  };
  EXPECT_TRUE(wait_for(10s, anew));
}

TEST(RedisBlocking, ClosingTheClientDoesNotAwaitTheWait) {
  RedisServer server;
  Blocking blocking(client_options(server.url()));
  std::thread waiter([&] { EXPECT_THROW(blocking.wait("30", 35s), OutcomeUnknown); });
  EXPECT_TRUE(wait_for(5s, [&] { return has_blocked(server); }));
  const auto begin = WaitClock::now();
  blocking.redis.run(
      [&] { return blocking.redis.client().close(blocking.redis.loop().now() + 10s); });
  waiter.join();
  EXPECT_LT(WaitClock::now() - begin, 2s);
}

TEST(RedisBlocking, ASecondWaitAtTheSameTimeIsAMistake) {
  RedisServer server;
  Blocking blocking(client_options(server.url()));
  std::thread waiter([&] { EXPECT_TRUE(blocking.wait("30", 35s).is_nil()); });
  EXPECT_TRUE(wait_for(5s, [&] { return has_blocked(server); }));
  EXPECT_THROW(blocking.wait("1", 5s), std::logic_error);
  EXPECT_TRUE(blocking.interrupt());
  waiter.join();
}

}  // namespace
}  // namespace mx_rmq::test
