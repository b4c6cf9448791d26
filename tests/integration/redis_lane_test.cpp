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

}  // namespace
}  // namespace mx_rmq::test
