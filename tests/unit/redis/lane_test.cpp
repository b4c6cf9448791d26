// Lanes on a scripted transport: every waiter is answered once whatever the other end does.
#include "redis/topology/lane.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "integration/redis_fixture.hpp"
#include "mx_rmq/errors.hpp"
#include "runtime/frames.hpp"
#include "runtime/scope.hpp"
#include "support/wait.hpp"
#include "unit/redis/machine.hpp"
#include "unit/redis/scripted_server.hpp"

namespace mx_rmq::redis {
namespace {

using test::RedisLoop;

constexpr const lua::Script* scripts[] = {&test_script};

ClientOptions scripted_options() {
  ClientOptions options;
  options.pool_size = 1;
  options.scripts = scripts;
  options.connection.backoff_min = 1ms;
  options.connection.backoff_max = 4ms;
  return options;
}

// The server echoes the last argument.
std::shared_ptr<ServerScript> echo_server() {
  auto server = std::make_shared<ServerScript>();
  server->answer = [](const Arguments& command) { return bulk(command.back()); };
  return server;
}

class Scripted {
 public:
  explicit Scripted(std::shared_ptr<ServerScript> the_server,
                    ClientOptions options = scripted_options())
      : server(std::move(the_server)),
        redis(options, [this](runtime::EventLoop& loop, const ConnectionOptions&) {
          return scripted_seams(loop, server, scripts);
        }) {}

  std::shared_ptr<ServerScript> server;
  RedisLoop redis;
};

// How one command ended.
struct End {
  std::string reply;
  std::string error;
  int times = 0;
};

Task<> echo(Lane* lane, std::string text, TimePoint deadline, End* end) {
  Command command = Command::of("ECHO", text);
  try {
    Reply reply = co_await lane->send(std::move(command), deadline);
    end->reply = reply.take_string();
  } catch (const OutcomeUnknown&) {
    end->error = "unknown";
  } catch (const ConnectionError&) {
    end->error = "connection";
  } catch (const TimeoutError&) {
    end->error = "timeout";
  } catch (const ShutdownError&) {
    end->error = "shutdown";
  } catch (const ServerError& error) {
    end->error = "server " + error.code();
  }
  ++end->times;
}

Task<> echo_all(RedisLoop* redis, std::vector<End>* ends, std::chrono::milliseconds timeout) {
  runtime::Scope scope(redis->loop(),
                       [](std::exception_ptr error) { std::rethrow_exception(error); });
  const TimePoint deadline = redis->loop().now() + timeout;
  Lane* const lane = &redis->client().lane(0);
  for (std::size_t i = 0; i < ends->size(); ++i) {
    scope.spawn(echo(lane, "text-" + std::to_string(i), deadline, &(*ends)[i]));
  }
  co_await scope.join();
}

std::vector<End> echo_many(RedisLoop& redis, std::size_t count,
                           std::chrono::milliseconds timeout = 60s) {
  std::vector<End> ends(count);
  redis.run([&] { return echo_all(&redis, &ends, timeout); });
  return ends;
}

TEST(ScriptedLane, CommandsOfOneTurnLeaveInOneWrite) {
  Scripted world(echo_server());
  echo_many(world.redis, 1);
  world.server->writes = 0;
  const std::vector<End> ends = echo_many(world.redis, 50);
  for (std::size_t i = 0; i < ends.size(); ++i)
    EXPECT_EQ(ends[i].reply, "text-" + std::to_string(i));
  EXPECT_EQ(world.server->writes, 1);
  EXPECT_EQ(world.server->connections, 1);
}

TEST(ScriptedLane, OneByteAtATimeBothWaysGivesTheSame) {
  auto server = echo_server();
  server->read_piece = 1;
  server->write_piece = 1;
  Scripted world(server);
  const std::vector<End> ends = echo_many(world.redis, 20);
  for (std::size_t i = 0; i < ends.size(); ++i)
    EXPECT_EQ(ends[i].reply, "text-" + std::to_string(i));
  EXPECT_EQ(world.server->connections, 1);
}

// How many bytes go each way, set-up included, when three texts are echoed.
struct Sizes {
  std::size_t request = 0;
  std::size_t reply = 0;
};
Sizes exchange_sizes() {
  Sizes sizes;
  for (const Command& each :
       {Command::of("ROLE"), Command::of("CLIENT", "ID"), Command::of("TIME"),
        Command::of("SCRIPT", "LOAD", test_script.source), Command::of("ECHO", "text-0"),
        Command::of("ECHO", "text-1"), Command::of("ECHO", "text-2")}) {
    sizes.request += each.size();
  }
  sizes.reply = std::string("*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n").size() +
                std::string(":77\r\n*2\r\n$10\r\n1700000000\r\n$6\r\n000000\r\n").size() +
                bulk(std::string(test_script.sha1)).size() + 3 * bulk("text-0").size();
  return sizes;
}

// The connection ends after byte i of what is sent, or of what comes back, for every i.
TEST(ScriptedLane, CutAtEveryByteEachWaiterIsAnsweredOnceAndTheNextConnectionWorks) {
  const std::int64_t frames = runtime::live_frames();
  const Sizes sizes = exchange_sizes();
  const std::size_t setup_reply = sizes.reply - 3 * bulk("text-0").size();
  for (const bool request : {true, false}) {
    for (std::size_t at = 0; at <= (request ? sizes.request : sizes.reply); ++at) {
      SCOPED_TRACE((request ? "request byte " : "reply byte ") + std::to_string(at));
      auto server = echo_server();
      (request ? server->cut_request : server->cut_reply) = at;
      Scripted world(server);
      // A cut in the set-up is a failed attempt; what waits goes on waiting, here to its deadline.
      const bool in_setup = request ? at <= sizes.request - 3 * Command::of("ECHO", "text-0").size()
                                    : at <= setup_reply;
      const std::vector<End> ends = echo_many(world.redis, 3, in_setup ? 20ms : 60s);
      for (std::size_t i = 0; i < ends.size(); ++i) {
        EXPECT_EQ(ends[i].times, 1);
        if (ends[i].error.empty()) {
          EXPECT_EQ(ends[i].reply, "text-" + std::to_string(i));
        } else if (in_setup && at < setup_reply) {
          EXPECT_TRUE(ends[i].error == "connection" || ends[i].error == "timeout") << ends[i].error;
        }
      }
      world.redis.on_loop([&] {
        server->cut_request.reset();
        server->cut_reply.reset();
      });
      EXPECT_EQ(echo_many(world.redis, 1)[0].reply, "text-0");
    }
  }
  EXPECT_EQ(runtime::live_frames(), frames);
}

TEST(ScriptedLane, AnExtraReplyClosesTheConnectionAndNobodyGetsIt) {
  auto server = echo_server();
  bool extra = true;
  server->answer = [&](const Arguments& command) {
    return bulk(command.back()) + (std::exchange(extra, false) ? "+EXTRA\r\n" : "");
  };
  Scripted world(server);
  EXPECT_EQ(echo_many(world.redis, 1)[0].reply, "text-0");
  const std::vector<End> ends = echo_many(world.redis, 3);
  for (std::size_t i = 0; i < ends.size(); ++i)
    EXPECT_EQ(ends[i].reply, "text-" + std::to_string(i));
  EXPECT_EQ(server->connections, 2);
}

TEST(ScriptedLane, GarbageInsteadOfAReplyHasAnUnknownOutcomeAndAFreshConnectionFollows) {
  for (const std::string garbage :
       {"HTTP/1.1 400 Bad Request\r\n", "*1000000000\r\n", "$536870913\r\n", "*-5\r\n", "$-2\r\n",
        "%1\r\n:1\r\n:2\r\n", "_\r\n", "\x15\x03\x01",
        "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n"}) {
    SCOPED_TRACE(garbage);
    auto server = echo_server();
    bool spoiled = true;
    server->answer = [&](const Arguments& command) {
      return std::exchange(spoiled, false) ? garbage : bulk(command.back());
    };
    Scripted world(server);
    const std::vector<End> ends = echo_many(world.redis, 2);
    EXPECT_EQ(ends[0].error, "unknown");
    EXPECT_EQ(ends[1].error, "unknown");
    EXPECT_EQ(echo_many(world.redis, 1)[0].reply, "text-0");
    EXPECT_EQ(server->connections, 2);
  }
}

TEST(ScriptedLane, AReplyThatIsLostIsAnUnknownOutcomeAtTheDeadline) {
  auto server = echo_server();
  server->answer = [](const Arguments& command) {
    return command.back() == "text-2" ? "" : bulk(command.back());
  };
  Scripted world(server);
  const std::vector<End> ends = echo_many(world.redis, 3, 200ms);
  EXPECT_EQ(ends[0].reply, "text-0");
  EXPECT_EQ(ends[1].reply, "text-1");
  EXPECT_EQ(ends[2].error, "unknown");
}

TEST(ScriptedLane, ASilentServerIsLeftAndAFreshConnectionMade) {
  auto server = echo_server();
  server->answer = [](const Arguments&) { return ""; };
  ClientOptions options = scripted_options();
  options.connection.stall_timeout = 20ms;
  Scripted world(server, options);
  EXPECT_EQ(echo_many(world.redis, 1, 200ms)[0].error, "unknown");
  const auto anew = [&] {
    int connections = 0;
    world.redis.on_loop([&] {
      connections = server->connections;
      server->answer = [](const Arguments& command) { return bulk(command.back()); };
    });
    return connections == 2;
  };
  EXPECT_TRUE(test::wait_for(5s, anew));
  EXPECT_EQ(echo_many(world.redis, 1)[0].reply, "text-0");
}

TEST(ScriptedLane, AServerThatRefusesIsTriedAgainWithinBounds) {
  auto server = echo_server();
  server->refuse_connections = true;
  Scripted world(server);
  EXPECT_EQ(echo_many(world.redis, 1, 1s)[0].error, "connection");
  int connections = 0;  // attempts go on while this is read
  world.redis.on_loop([&] {
    connections = server->connections;
    server->refuse_connections = false;
  });
  EXPECT_GE(connections, 10);
  EXPECT_LE(connections, 750) << "pauses of 2 to 4 ms";
  EXPECT_EQ(echo_many(world.redis, 1)[0].reply, "text-0");
}

TEST(ScriptedLane, OnReadyIsToldAtEachEpochBeforeWhatWaitsIsWritten) {
  auto server = echo_server();
  Scripted world(server);
  std::vector<std::uint64_t> epochs;
  std::vector<std::size_t> commands;
  std::uint64_t id = 0;
  world.redis.on_loop([&] {
    id = world.redis.client().lane(0).on_epoch([&](std::uint64_t epoch) {
      epochs.push_back(epoch);
      commands.push_back(server->commands.size());
    });
  });
  EXPECT_EQ(echo_many(world.redis, 2)[1].reply, "text-1");
  EXPECT_EQ(epochs, std::vector<std::uint64_t>{1});
  EXPECT_EQ(commands, std::vector<std::size_t>{0});
  world.redis.on_loop([&] {
    Lane& lane = world.redis.client().lane(0);
    lane.reconnect(lane.epoch(), "test");
  });
  EXPECT_EQ(echo_many(world.redis, 1)[0].reply, "text-0");
  EXPECT_EQ(epochs, (std::vector<std::uint64_t>{1, 2}));
  EXPECT_EQ(commands, (std::vector<std::size_t>{0, 2}));
  world.redis.on_loop([&] {
    Lane& lane = world.redis.client().lane(0);
    lane.remove_on_epoch(id);
    lane.reconnect(lane.epoch(), "test");
  });
  EXPECT_EQ(echo_many(world.redis, 1)[0].reply, "text-0");
  EXPECT_EQ(epochs.size(), 2U);
}

TEST(ScriptedLane, ClosingEndsWhatWaits) {
  auto server = echo_server();
  server->swallow = true;
  Scripted world(server);
  std::vector<End> ends(2);
  std::thread sender([&] { world.redis.run([&] { return echo_all(&world.redis, &ends, 60s); }); });
  const auto connected = [&] {
    int connections = 0;
    world.redis.on_loop([&] { connections = server->connections; });
    return connections > 0;
  };
  EXPECT_TRUE(test::wait_for(5s, connected));
  world.redis.run([&] { return world.redis.client().close(world.redis.loop().now() + 50ms); });
  sender.join();
  EXPECT_EQ(ends[0].error, "shutdown");
  EXPECT_EQ(ends[1].error, "shutdown");
  EXPECT_EQ(echo_many(world.redis, 1)[0].error, "shutdown");
}

TEST(ScriptedLane, HealthTellsWhatIsUsable) {
  auto server = echo_server();
  Scripted world(server);
  ClientHealth health;
  const auto look = [&] { world.redis.on_loop([&] { health = world.redis.client().health(); }); };
  look();
  EXPECT_EQ(health.lanes, 0U);
  echo_many(world.redis, 1);
  look();
  EXPECT_EQ(health.lanes, 1U);
  EXPECT_EQ(health.ready, 1U);
  EXPECT_EQ(health.last_error, "");
  world.redis.on_loop([&] {
    server->refuse_connections = true;
    world.redis.client().lane(0).reconnect(1, "test");
  });
  echo_many(world.redis, 1, 20ms);
  look();
  EXPECT_EQ(health.ready, 0U);
  EXPECT_NE(health.last_error.find("connection refused"), std::string::npos) << health.last_error;
}

TEST(ScriptedLane, ItsTransportIsToldTheHostAsTheUserNamedIt) {
  ClientOptions options = scripted_options();
  options.endpoint.host = "redis.example.org";
  options.endpoint.port = 6390;
  Scripted world(echo_server(), std::move(options));
  EXPECT_EQ(world.redis.send(Command::of("ECHO", "hello")).as_string(), "hello");
  EXPECT_EQ(world.server->address.name, "redis.example.org");
  EXPECT_EQ(world.server->address.host, "192.0.2.1");
  EXPECT_EQ(world.server->address.port, 6390);
}

}  // namespace
}  // namespace mx_rmq::redis
