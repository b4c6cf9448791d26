// Lane::eval: what each error reply to a script leads to.
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "integration/redis_fixture.hpp"
#include "mx_rmq/errors.hpp"
#include "runtime/scope.hpp"
#include "support/wait.hpp"
#include "unit/redis/evalsha.hpp"
#include "unit/redis/machine.hpp"
#include "unit/redis/scripted_server.hpp"

namespace mx_rmq::redis {
namespace {

using test::RedisLoop;

constexpr const lua::Script* scripts[] = {&test_script};

// Answers scripts with the given replies in turn, and then with 42; loads with the sha1.
struct World {
  explicit World(std::vector<std::string> the_replies, std::string the_load = {})
      : replies(std::move(the_replies)),
        load(the_load.empty() ? bulk(std::string(test_script.sha1)) : std::move(the_load)),
        server(std::make_shared<ServerScript>()),
        redis(options(), [this](runtime::EventLoop& loop, const ConnectionOptions&) {
          server->answer = [this](const Arguments& command) { return answer(command); };
          return scripted_seams(loop, server, scripts);
        }) {}

  static ClientOptions options() {
    ClientOptions options;
    options.pool_size = 1;
    options.scripts = scripts;
    options.connection.backoff_min = 1ms;
    options.connection.backoff_max = 4ms;
    return options;
  }
  std::string answer(const Arguments& command) {
    if (command[0] == "SCRIPT") return load;
    if (next < replies.size()) return replies[next++];
    return for_ever.empty() ? ":42\r\n" : for_ever;
  }
  // "ok", or the error's type and code.
  std::string eval(std::chrono::milliseconds timeout = 5s, std::uint64_t only_epoch = 0) {
    return redis.run([&] { return run(&redis, timeout, only_epoch); });
  }
  static Task<std::string> run(RedisLoop* redis, std::chrono::milliseconds timeout,
                               std::uint64_t only_epoch) {
    Command command = evalsha(test_script, {}, {});
    Lane& lane = redis->client().lane(0);
    const TimePoint deadline = redis->loop().now() + timeout;
    try {
      const Reply reply = co_await lane.eval(test_script, std::move(command), deadline, only_epoch);
      co_return reply.as_integer() == 42 ? "ok" : "another reply";
    } catch (const ServerError& error) {
      co_return "server " + error.code();
    } catch (const OutcomeUnknown& error) {
      co_return std::string("unknown ") + error.what();
    } catch (const ConnectionError&) {
      co_return "connection";
    } catch (const TimeoutError&) {
      co_return "timeout";
    }
  }
  // The commands' first words.
  std::string sent() const {
    std::string text;
    for (const Arguments& each : server->commands) text += (text.empty() ? "" : " ") + each[0];
    return text;
  }

  std::vector<std::string> replies;
  std::string load;
  std::string for_ever;
  std::size_t next = 0;
  std::shared_ptr<ServerScript> server;
  RedisLoop redis;
};

struct Row {
  std::vector<std::string> replies;
  std::string end;
  std::string sent;
  int connections;
};

TEST(Eval, DoesWhatTheTableSays) {
  const std::string noscript = "-NOSCRIPT No matching script. Please use EVAL.\r\n";
  const std::string mark = " script: 0123, on @user_script:1.\r\n";
  const std::vector<Row> table{
      {{}, "ok", "EVALSHA", 1},
      {{noscript}, "ok", "EVALSHA SCRIPT EVALSHA", 1},
      {{noscript, noscript}, "ok", "EVALSHA SCRIPT EVALSHA EVAL", 1},
      {{noscript, noscript, "-NOPERM no\r\n"},
       "ok",
       "EVALSHA SCRIPT EVALSHA EVAL SCRIPT EVALSHA",
       1},
      {{noscript, noscript, "-NOPERM no\r\n", noscript},
       "ok",
       "EVALSHA SCRIPT EVALSHA EVAL SCRIPT EVALSHA SCRIPT EVALSHA",
       1},
      {{"-LOADING Redis is loading\r\n", "-BUSY Redis is busy\r\n"},
       "ok",
       "EVALSHA EVALSHA EVALSHA",
       1},
      {{"-TRYAGAIN x\r\n", "-CLUSTERDOWN x\r\n"}, "ok", "EVALSHA EVALSHA EVALSHA", 1},
      {{"-MASTERDOWN x\r\n", "-NOREPLICAS x\r\n"}, "ok", "EVALSHA EVALSHA EVALSHA", 1},
      {{"-MISCONF x\r\n", "-ERR max number of clients reached\r\n"},
       "ok",
       "EVALSHA EVALSHA EVALSHA",
       1},
      {{"-NOREPLICAS Not enough good replicas to write." + mark}, "ok", "EVALSHA EVALSHA", 1},
      {{"-READONLY You can't write against a read only replica." + mark},
       "ok",
       "EVALSHA EVALSHA",
       2},
      {{"-READONLY You can't write\r\n", noscript}, "ok", "EVALSHA EVALSHA SCRIPT EVALSHA", 2},
      {{"-OOM command not allowed\r\n"}, "server OOM", "EVALSHA", 1},
      {{"-OOM command not allowed when used memory > 'maxmemory'." + mark},
       "server OOM",
       "EVALSHA",
       1},
      {{"-NOPERM no\r\n"}, "server NOPERM", "EVALSHA", 1},
      {{"-NOAUTH no\r\n"}, "server NOAUTH", "EVALSHA", 1},
      {{"-MOVED 1 127.0.0.1:1\r\n"}, "server MOVED", "EVALSHA", 1},
      {{"-CROSSSLOT x\r\n"}, "server CROSSSLOT", "EVALSHA", 1},
      {{"-ERR unknown command\r\n"}, "server ERR", "EVALSHA", 1},
      {{"-LOST it is another's\r\n"}, "server LOST", "EVALSHA", 1},
      {{"-WRONGTYPE x" + mark},
       "unknown the script answer failed on its way: WRONGTYPE x script: 0123, on @user_script:1.",
       "EVALSHA",
       1},
  };
  for (const Row& row : table) {
    SCOPED_TRACE(row.sent + " " + row.end);
    World world(row.replies);
    EXPECT_EQ(world.eval(), row.end);
    EXPECT_EQ(world.sent(), row.sent);
    EXPECT_EQ(world.server->connections, row.connections);
  }
}

TEST(Eval, LoadAndResendLeaveInOneWrite) {
  World world({"-NOSCRIPT x\r\n"});
  EXPECT_EQ(world.eval(), "ok");
  EXPECT_EQ(world.server->writes, 2);
}

TEST(Eval, WhatDoesNotPassIsToldAtTheDeadlineWithItsCode) {
  for (const std::string code : {"LOADING", "BUSY", "CLUSTERDOWN", "MISCONF", "READONLY"}) {
    SCOPED_TRACE(code);
    World world({});
    world.for_ever = "-" + code + " x\r\n";
    EXPECT_EQ(world.eval(150ms), "server " + code);
    EXPECT_LE(world.server->commands.size(), 12U) << "the pauses grow";
    EXPECT_GE(world.server->commands.size(), 3U);
  }
}

TEST(Eval, AScriptThatMayNotBeLoadedSaysWhatIsMissing) {
  World world({}, "-NOPERM this user has no permissions to run 'script|load'\r\n");
  world.for_ever = "-NOSCRIPT x\r\n";
  EXPECT_EQ(world.eval(), "server NOPERM");
}

TEST(Eval, ForManyAtOnceTheScriptIsLoadedOnce) {
  World world(std::vector<std::string>(20, "-NOSCRIPT x\r\n"));
  std::vector<std::string> ends;
  struct Run {
    static Task<> one(RedisLoop* redis, std::vector<std::string>* ends) {
      std::string end = co_await World::run(redis, 5s, 0);
      ends->push_back(std::move(end));
    }
    static Task<> all(RedisLoop* redis, std::vector<std::string>* ends) {
      runtime::Scope scope(redis->loop(), [](std::exception_ptr e) { std::rethrow_exception(e); });
      for (int i = 0; i < 20; ++i) scope.spawn(one(redis, ends));
      co_await scope.join();
    }
  };
  world.redis.run([&] { return Run::all(&world.redis, &ends); });
  EXPECT_EQ(ends, std::vector<std::string>(20, "ok"));
  std::size_t loads = 0;
  for (const Arguments& each : world.server->commands) loads += each[0] == "SCRIPT";
  EXPECT_EQ(loads, 1U);
}

TEST(Eval, IsSentAgainWhenNothingWasWrittenUnlessBoundToAnEpoch) {
  for (const bool bound : {false, true}) {
    World world({});
    EXPECT_EQ(world.eval(), "ok");
    // The connection ends before anything is taken.
    int offers = 0;
    world.redis.on_loop([&] {
      world.server->write_piece = 0;
      offers = world.server->offers;
    });
    std::thread later([&] {
      const int before = offers;
      const auto offered = [&] {
        int now = 0;
        world.redis.on_loop([&] { now = world.server->offers; });
        return now > before;
      };
      EXPECT_TRUE(test::wait_for(5s, offered));
      world.redis.on_loop([&] {
        world.server->write_piece = SIZE_MAX;
        world.redis.client().lane(0).reconnect(1, "test");
      });
    });
    EXPECT_EQ(world.eval(5s, bound ? 1 : 0), bound ? "connection" : "ok");
    later.join();
    EXPECT_EQ(world.sent(), bound ? "EVALSHA" : "EVALSHA EVALSHA");
  }
}

TEST(Eval, ALostReplyIsNotSentAgain) {
  World world({""});
  EXPECT_TRUE(world.eval(50ms).starts_with("unknown"));
  EXPECT_EQ(world.sent(), "EVALSHA");
}

}  // namespace
}  // namespace mx_rmq::redis
