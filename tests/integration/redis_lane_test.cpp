// Lanes on a real server: order, addresses, deadlines, losing and regaining the connection.
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "integration/redis_fixture.hpp"
#include "mx_rmq/errors.hpp"
#include "runtime/scope.hpp"
#include "support/redis_server.hpp"
#include "support/wait.hpp"

namespace mx_rmq::test {
namespace {

using redis::Command;
using redis::Lane;
using redis::Reply;
using runtime::Scope;
using runtime::TimePoint;

TEST(RedisLane, SendsACommandAndReturnsItsReply) {
  RedisServer server;
  RedisLoop redis(client_options(server.url()));
  EXPECT_EQ(redis.send(Command::of("PING")).as_string(), "PONG");
  EXPECT_EQ(redis.send(Command::of("SET", "key", "value")).as_string(), "OK");
  EXPECT_EQ(redis.send(Command::of("GET", "key")).as_string(), "value");
  EXPECT_TRUE(redis.send(Command::of("GET", "none")).is_nil());
  EXPECT_EQ(redis.send(Command::of("INCRBY", "number", 7)).as_integer(), 7);
  const Reply error = redis.send(Command::of("NOSUCH"));
  EXPECT_TRUE(error.is_error());
  EXPECT_TRUE(error.error_text().starts_with("ERR unknown command")) << error.describe();
}

struct Numbered {
  std::vector<std::int64_t> replies;
  std::size_t failed = 0;
};

Task<> send_numbered(Lane* lane, TimePoint deadline, Numbered* result) {
  Command command = Command::of("INCR", "counter");
  const Reply reply = co_await lane->send(std::move(command), deadline);
  result->replies.push_back(reply.as_integer());
}

Task<> send_many(RedisLoop* redis, int count, Numbered* result) {
  Scope scope(redis->loop(), [result](std::exception_ptr) { ++result->failed; });
  const TimePoint deadline = redis->loop().now() + 60s;
  Lane* const lane = &redis->client().lane(0);
  for (int i = 0; i < count; ++i) scope.spawn(send_numbered(lane, deadline, result));
  co_await scope.join();
}

TEST(RedisLane, HundredThousandPipelinedCommandsKeepTheirOrder) {
  RedisServer server;
  RedisLoop redis(client_options(server.url()));
  Numbered result;
  redis.run([&] { return send_many(&redis, 100'000, &result); });
  EXPECT_EQ(result.failed, 0U);
  ASSERT_EQ(result.replies.size(), 100'000U);
  for (std::size_t i = 0; i < result.replies.size(); ++i) {
    ASSERT_EQ(result.replies[i], static_cast<std::int64_t>(i + 1));
  }
}

TEST(RedisLane, ReachesTheServerByEveryKindOfAddress) {
  RedisOptions options;
  options.tcp = true;
  options.config = {"bind 127.0.0.1 ::1"};
  RedisServer server(options);
  const std::string port = std::to_string(server.port());
  for (const std::string& url :
       {server.url(), "redis://127.0.0.1:" + port, "redis://[::1]:" + port,
        "redis://localhost:" + port, "redis://localhost:" + port + "/5?client_name=tester"}) {
    SCOPED_TRACE(url);
    RedisLoop redis(client_options(url));
    EXPECT_EQ(redis.send(Command::of("PING")).as_string(), "PONG");
  }
}

TEST(RedisLane, ChoosesTheDatabaseAndTellsItsName) {
  RedisServer server;
  RedisLoop redis(client_options(server.url() + "?db=3&client_name=tester"));
  redis.send(Command::of("SET", "key", "in 3"));
  EXPECT_EQ(redis.send(Command::of("CLIENT", "GETNAME")).as_string(), "tester");
  EXPECT_TRUE(server.command({"GET", "key"}).is_nil());
  EXPECT_EQ(server.command({"INFO", "keyspace"}).text.find("db0"), std::string::npos);
}

TEST(RedisLane, ASilentFirstAddressDoesNotKeepTheSecondFromBeingUsed) {
  RedisOptions options;
  options.tcp = true;
  RedisServer server(options);
  struct Two final : redis::Resolver {
    explicit Two(runtime::EventLoop& the_loop) : loop(the_loop) {}
    void resolve(std::string, int port, Callback done) override {
      loop.defer([done = std::move(done), port] {
        Result result;
        result.addresses.push_back({false, "127.0.0.2", 1});  // refused
        result.addresses.push_back({false, "127.0.0.1", port});
        done(std::move(result));
      });
    }
    runtime::EventLoop& loop;
  };
  RedisLoop redis(client_options(server.tcp_url()),
                  [](runtime::EventLoop& loop, const redis::ConnectionOptions& connection) {
                    redis::Seams seams = redis::Seams::real(loop, connection);
                    seams.resolver = std::make_shared<Two>(loop);
                    return seams;
                  });
  EXPECT_EQ(redis.send(Command::of("PING")).as_string(), "PONG");
}

TEST(RedisLane, AHostThatDoesNotExistIsAConnectionErrorThatSaysSo) {
  RedisLoop redis(client_options("redis://no-such-host.invalid"));
  try {
    redis.send(Command::of("PING"), 2s);
    FAIL() << "answered";
  } catch (const ConnectionError& error) {
    EXPECT_NE(std::string(error.what()).find("cannot resolve"), std::string::npos) << error.what();
  }
}

TEST(RedisLane, AClientThatDoesNothingSendsNothing) {
  RedisServer server;
  RedisLoop redis(client_options(server.url()));
  redis.send(Command::of("PING"));
  // CLIENT LIST shows what each connection sent last, and for how many seconds it has been idle.
  const auto idle_since_ping = [&] {
    const std::string list = server.command({"CLIENT", "LIST"}).text;
    const std::size_t line = list.rfind('\n', list.find("cmd=ping"));
    const std::size_t at = list.find("idle=", line == std::string::npos ? 0 : line);
    return list.find("cmd=ping") == std::string::npos ? -1 : std::atoi(list.c_str() + at + 5);
  };
  EXPECT_GE(idle_since_ping(), 0);
  EXPECT_TRUE(wait_for(
      5s, [&] { return idle_since_ping() >= 2; }, 100ms));
}

TEST(RedisLane, LargeStringsPassBothWays) {
  RedisServer server;
  RedisLoop redis(client_options(server.url()));
  std::string big(std::size_t{64} << 20, 'x');
  for (std::size_t i = 0; i < big.size(); i += 4096) big[i] = static_cast<char>(i / 4096);
  EXPECT_EQ(redis.send(Command::of("SET", "big", big), 30s).as_string(), "OK");
  EXPECT_EQ(redis.send(Command::of("GET", "big"), 30s).as_string(), big);
}

TEST(RedisLane, KnowsTheServersClock) {
  RedisServer server;
  RedisLoop redis(client_options(server.url()));
  redis.send(Command::of("PING"));
  const Reply time = redis.send(Command::of("TIME"));
  std::int64_t estimate = 0;
  redis.on_loop([&] { estimate = redis.client().clock().now_ms(); });
  const std::int64_t told = time.at(0).as_integer() * 1000 + time.at(1).as_integer() / 1000;
  EXPECT_NEAR(static_cast<double>(estimate), static_cast<double>(told), 100.0);
}

// --- credentials ---

std::string error_of(RedisLoop& redis) {
  try {
    const Reply reply = redis.send(Command::of("PING"), 2s);
    return reply.is_error() ? "reply " + reply.error_text() : "ok";
  } catch (const ServerError& error) {
    return error.code() + ": " + error.what();
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(RedisLane, CredentialsOfEveryKindAreAcceptedOrRefusedAtOnce) {
  RedisOptions options;
  options.password = "main-s3cr3t";
  options.users = {"bob on >bob-s3cr3t ~* &* +@all"};
  RedisServer server(options);
  const std::string path = server.socket_path();
  {
    RedisLoop redis(client_options("unix://:main-s3cr3t@" + path));
    EXPECT_EQ(error_of(redis), "ok");
  }
  {
    RedisLoop redis(client_options("unix://bob:bob-s3cr3t@" + path));
    EXPECT_EQ(redis.send(Command::of("ACL", "WHOAMI")).as_string(), "bob");
  }
  for (const std::string& wrong : {"unix://:wr0ng@" + path, "unix://bob:wr0ng@" + path,
                                   "unix://eve:wr0ng@" + path, "unix://" + path}) {
    SCOPED_TRACE(wrong);
    const auto begin = WaitClock::now();
    RedisLoop redis(client_options(wrong));
    const std::string error = error_of(redis);
    EXPECT_TRUE(error.starts_with("WRONGPASS: ") || error.starts_with("NOAUTH: ")) << error;
    EXPECT_EQ(error.find("wr0ng"), std::string::npos);
    EXPECT_EQ(error_of(redis), error);
    EXPECT_LT(WaitClock::now() - begin, 1500ms) << "not at the deadline";
  }
  // Refused clients do not come back in a hurry.
  EXPECT_EQ(server.command({"INFO", "clients"}).text.find("connected_clients:0"),
            std::string::npos);
}

TEST(RedisLane, AServerThatWantsNoPasswordIsNotUsedAsTheDefaultUser) {
  RedisServer server;
  RedisLoop redis(client_options("unix://:s3cr3t@" + server.socket_path()));
  const std::string error = error_of(redis);
  EXPECT_NE(error.find("AUTH refused"), std::string::npos) << error;
  EXPECT_EQ(error.find("s3cr3t"), std::string::npos);
}

TEST(RedisLane, ARotatedPasswordIsNoticedAtTheNextConnectionAndHealsByItself) {
  RedisOptions options;
  options.users = {"bob on >one ~* &* +@all"};
  RedisServer server(options);
  redis::ClientOptions client = client_options("unix://bob:one@" + server.socket_path());
  client.connection.refused_retry = 100ms;
  RedisLoop redis(client);
  EXPECT_EQ(error_of(redis), "ok");
  server.command({"ACL", "SETUSER", "bob", "resetpass", ">two"});
  EXPECT_EQ(error_of(redis), "ok") << "who is in, stays in";
  server.command({"CLIENT", "KILL", "USER", "bob"});
  EXPECT_TRUE(wait_for(5s, [&] { return error_of(redis).starts_with("WRONGPASS"); }));
  server.command({"ACL", "SETUSER", "bob", "resetpass", ">one"});
  EXPECT_TRUE(wait_for(5s, [&] { return error_of(redis) == "ok"; }));
}

TEST(RedisLane, AUserWithoutTheRightsToNamesAndIdsIsServed) {
  RedisOptions options;
  options.users = {"min on >pw ~* -@all +ping +time +auth"};
  RedisServer server(options);
  RedisLoop redis(client_options("unix://min:pw@" + server.socket_path() + "?client_name=x"));
  EXPECT_EQ(error_of(redis), "ok");
  const std::string denied = redis.send(Command::of("GET", "x")).error_text();
  EXPECT_TRUE(denied.starts_with("NOPERM")) << denied;
}

}  // namespace
}  // namespace mx_rmq::test
