// What one connection is told about its server's role concerns all of them.
#include "redis/connection/role_watch.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "integration/redis_fixture.hpp"
#include "mx_rmq/errors.hpp"
#include "runtime/scope.hpp"
#include "support/wait.hpp"
#include "unit/redis/machine.hpp"
#include "unit/redis/scripted_server.hpp"

namespace mx_rmq::redis {
namespace {

using test::RedisLoop;

constexpr std::size_t lanes = 3;
constexpr const lua::Script* scripts[] = {&test_script};

// Refuses every ECHO whose text begins with "write".
struct World {
  World()
      : server(std::make_shared<ServerScript>()),
        redis(options(), [this](runtime::EventLoop& loop, const ConnectionOptions&) {
          server->answer = [this](const Arguments& command) {
            if (demoted && command.back().starts_with("write")) return refusal;
            return bulk(command.back());
          };
          return scripted_seams(loop, server, scripts);
        }) {}

  static ClientOptions options() {
    ClientOptions options;
    options.pool_size = lanes;
    options.scripts = scripts;
    options.connection.backoff_min = 1ms;
    options.connection.backoff_max = 4ms;
    return options;
  }
  void read_on_all() {
    for (std::size_t i = 0; i < lanes; ++i) {
      EXPECT_EQ(redis.send(Command::of("ECHO", "read"), 5s, i).as_string(), "read");
    }
  }
  std::vector<std::uint64_t> epochs() {
    std::vector<std::uint64_t> out;
    redis.on_loop([&] {
      for (std::size_t i = 0; i < lanes; ++i) out.push_back(redis.client().lane(i).epoch());
    });
    return out;
  }

  std::string refusal = "-READONLY You can't write against a read only replica.\r\n";
  bool demoted = false;
  std::shared_ptr<ServerScript> server;
  RedisLoop redis;
};

using Epochs = std::vector<std::uint64_t>;

// What leads there was changed between two connections: only the second one knows.
TEST(RoleWatch, ANewConnectionHasTheOthersLookWhatTheirsIs) {
  World world;
  EXPECT_EQ(world.redis.send(Command::of("ECHO", "read"), 5s, 0).as_string(), "read");
  world.redis.on_loop([&] {
    world.server->answer = [](const Arguments& command) {
      if (command[0] == "ROLE") return std::string("*3\r\n$5\r\nslave\r\n$1\r\nh\r\n:1\r\n");
      return bulk(command.back());
    };
  });
  EXPECT_EQ(world.redis.send(Command::of("ECHO", "read"), 5s, 1).as_string(), "read");
  EXPECT_TRUE(test::wait_for(5s, [&] { return world.epochs()[0] >= 2; }));
}

TEST(RoleWatch, AWriteThatIsRefusedOnOneConnectionRenewsAll) {
  for (const std::string code : {"READONLY", "UNBLOCKED"}) {
    SCOPED_TRACE(code);
    World world;
    world.read_on_all();
    EXPECT_EQ(world.epochs(), (Epochs{1, 1, 1}));
    world.redis.on_loop([&] {
      world.demoted = true;
      world.refusal = "-" + code + " x\r\n";
    });
    EXPECT_TRUE(world.redis.send(Command::of("ECHO", "write"), 5s, 1).is_error());
    world.redis.on_loop([&] { world.demoted = false; });
    world.read_on_all();
    EXPECT_EQ(world.epochs(), (Epochs{2, 2, 2}));
    EXPECT_EQ(world.server->connections, 6);
  }
}

Task<> write_once(Lane* lane, TimePoint deadline, int* refused) {
  Command command = Command::of("ECHO", "write");
  const Reply reply = co_await lane->send(std::move(command), deadline);
  *refused += reply.is_error() ? 1 : 0;
}

Task<> write_on_all(RedisLoop* redis, int* refused) {
  runtime::Scope scope(redis->loop(),
                       [](std::exception_ptr error) { std::rethrow_exception(error); });
  const TimePoint deadline = redis->loop().now() + 5s;
  for (std::size_t i = 0; i < lanes; ++i) {
    for (int each = 0; each < 5; ++each) {
      scope.spawn(write_once(&redis->client().lane(i), deadline, refused));
    }
  }
  co_await scope.join();
}

TEST(RoleWatch, ManyThatAreToldAtOnceAreRenewedOnce) {
  World world;
  world.read_on_all();
  world.redis.on_loop([&] { world.demoted = true; });
  int refused = 0;
  world.redis.run([&] { return write_on_all(&world.redis, &refused); });
  EXPECT_EQ(refused, 15);
  world.redis.on_loop([&] { world.demoted = false; });
  world.read_on_all();
  EXPECT_EQ(world.epochs(), (Epochs{2, 2, 2}));
}

TEST(RoleWatch, OtherErrorsRenewNothing) {
  for (const std::string refusal :
       {"-OOM x\r\n", "-MOVED 1 h:1\r\n", "-ERR x\r\n", "-LOADING x\r\n"}) {
    World world;
    world.read_on_all();
    world.redis.on_loop([&] {
      world.demoted = true;
      world.refusal = refusal;
    });
    EXPECT_TRUE(world.redis.send(Command::of("ECHO", "write"), 5s, 1).is_error());
    world.read_on_all();
    EXPECT_EQ(world.epochs(), (Epochs{1, 1, 1})) << refusal;
  }
}

TEST(RoleWatch, WhileNoMasterIsThereHealthSaysWhatIsAndCheckFailsAtOnce) {
  World world;
  world.read_on_all();
  world.redis.on_loop([&] {
    world.demoted = true;
    world.server->role = "*3\r\n$5\r\nslave\r\n$8\r\n10.0.0.5\r\n:6379\r\n";
  });
  EXPECT_TRUE(world.redis.send(Command::of("ECHO", "write"), 5s, 0).is_error());
  ClientHealth health;
  EXPECT_TRUE(test::wait_for(5s, [&] {
    world.redis.on_loop([&] { health = world.redis.client().health(); });
    return !health.unfit.empty();
  }));
  EXPECT_TRUE(health.unfit.starts_with("this is a replica of 10.0.0.5:6379")) << health.unfit;
  const auto check = [&] {
    return world.redis.run(
        [&] { return world.redis.client().check(world.redis.loop().now() + 60s); });
  };
  EXPECT_THROW(check(), ConnectionError);
  world.redis.on_loop([&] {
    world.demoted = false;
    world.server->role.clear();
  });
  world.read_on_all();
  EXPECT_EQ(world.epochs(), (Epochs{2, 2, 2}));
  world.redis.on_loop([&] { health = world.redis.client().health(); });
  EXPECT_EQ(health.unfit, "");
}

TEST(RoleWatch, ANodeOfAClusterIsToldByHealthForAWhile) {
  World world;
  world.read_on_all();
  world.redis.on_loop([&] {
    world.demoted = true;
    world.refusal = "-MOVED 5798 127.0.0.1:7001\r\n";
  });
  EXPECT_TRUE(world.redis.send(Command::of("ECHO", "write"), 5s, 0).is_error());
  ClientHealth health;
  world.redis.on_loop([&] { health = world.redis.client().health(); });
  EXPECT_TRUE(
      health.unfit.starts_with("MOVED 5798 127.0.0.1:7001 (this is a node of a Redis Cluster"))
      << health.unfit;
}

}  // namespace
}  // namespace mx_rmq::redis
