// Scripts on a real server: flushed, refused, raised inside.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "integration/redis_fixture.hpp"
#include "mx_rmq/errors.hpp"
#include "mx_rmq_scripts.hpp"
#include "redis/wire/classify.hpp"
#include "runtime/scope.hpp"
#include "support/redis_server.hpp"
#include "support/wait.hpp"
#include "unit/redis/evalsha.hpp"

namespace mx_rmq::test {
namespace {

using redis::Command;
using redis::Executed;
using redis::Remedy;
using redis::Reply;
using runtime::TimePoint;

// A script of the test's; its sha1 is what the server says.
struct OwnScript {
  OwnScript(RedisServer& server, std::string the_source)
      : source(std::move(the_source)),
        sha1(server.command({"SCRIPT", "LOAD", source}).text),
        script{"own", sha1, source} {}
  std::string source;
  std::string sha1;
  lua::Script script;
};

Task<Reply> eval(RedisLoop* redis, const lua::Script* script, std::string key,
                 std::chrono::milliseconds timeout) {
  const std::string_view keys[] = {key};
  Command command = redis::evalsha(*script, keys, {});
  const TimePoint deadline = redis->loop().now() + timeout;
  Reply reply = co_await redis->client().lane(0).eval(*script, std::move(command), deadline);
  co_return reply;
}

Reply eval_once(RedisLoop& redis, const lua::Script& script,
                std::chrono::milliseconds timeout = 5s) {
  return redis.run([&] { return eval(&redis, &script, "key", timeout); });
}

// "ok", or the type of the error and its code or text.
std::string outcome(RedisLoop& redis, const lua::Script& script,
                    std::chrono::milliseconds timeout = 2s) {
  try {
    static_cast<void>(eval_once(redis, script, timeout));
    return "ok";
  } catch (const ServerError& error) {
    return "server " + error.code();
  } catch (const OutcomeUnknown& error) {
    return std::string("unknown: ") + error.what();
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(RedisEval, ScriptsAreLoadedAtSetup) {
  RedisServer server;
  OwnScript own(server, "return redis.call('INCR', KEYS[1])");
  server.command({"SCRIPT", "FLUSH"});
  const lua::Script* scripts[] = {&own.script};
  redis::ClientOptions options = client_options(server.url());
  options.scripts = scripts;
  RedisLoop redis(options);
  EXPECT_EQ(eval_once(redis, own.script).as_integer(), 1);
  const std::string stats = server.command({"INFO", "commandstats"}).text;
  EXPECT_EQ(stats.find("cmdstat_eval:"), std::string::npos);
  EXPECT_NE(stats.find("cmdstat_evalsha:calls=1"), std::string::npos) << stats;
}

TEST(RedisEval, EveryScriptOfTheLibraryLoadsWithTheSha1ItWasBuiltWith) {
  RedisServer server;
  redis::ClientOptions options = client_options(server.url());
  options.scripts = lua::all();
  RedisLoop redis(options);
  EXPECT_EQ(redis.send(Command::of("PING")).as_string(), "PONG");
  for (const lua::Script* const script : lua::all()) {
    EXPECT_EQ(server.command({"SCRIPT", "EXISTS", std::string(script->sha1)})[0].num(), 1)
        << script->name;
  }
}

TEST(RedisEval, ScriptsFlushedInALoopAreLoadedAgainAndNoErrorIsSeen) {
  RedisServer server;
  OwnScript own(server, "return redis.call('INCR', KEYS[1])");
  const lua::Script* scripts[] = {&own.script};
  redis::ClientOptions options = client_options(server.url());
  options.scripts = scripts;
  options.pool_size = 1;
  RedisLoop redis(options);
  struct Load {
    static Task<> one(RedisLoop* redis, const lua::Script* script, std::atomic<int>* answered,
                      std::atomic<bool>* stop) {
      while (!stop->load()) {
        static_cast<void>(co_await eval(redis, script, "counter", 10s));
        ++*answered;
      }
    }
    static Task<> all(RedisLoop* redis, const lua::Script* script, std::atomic<int>* answered,
                      std::atomic<bool>* stop) {
      runtime::Scope scope(redis->loop(), [stop](std::exception_ptr error) {
        *stop = true;
        try {
          std::rethrow_exception(error);
        } catch (const std::exception& e) {
          ADD_FAILURE() << e.what();
        }
      });
      for (int i = 0; i < 16; ++i) scope.spawn(one(redis, script, answered, stop));
      co_await scope.join();
    }
  };
  std::atomic<int> answered{0};
  std::atomic<bool> stop{false};
  std::thread load(
      [&] { redis.run([&] { return Load::all(&redis, &own.script, &answered, &stop); }); });
  int flushes = 0;
  while (flushes < 200 && !stop) {
    const int before = answered.load();
    server.command({"SCRIPT", "FLUSH"});
    ++flushes;
    EXPECT_TRUE(wait_for(10s, [&] { return answered.load() > before + 5 || stop.load(); }));
  }
  stop = true;
  load.join();
  EXPECT_EQ(server.command({"GET", "counter"}).num(), answered.load()) << "each ran once";
  const std::string stats = server.command({"INFO", "commandstats"}).text;
  const std::size_t at = stats.find("cmdstat_script|load:calls=");
  ASSERT_NE(at, std::string::npos);
  const int loads = std::atoi(stats.c_str() + at + 26);
  EXPECT_LE(loads, 2 * flushes + 2) << "one connection: about one load a flush";
}

TEST(RedisEval, AnErrorRaisedInsideMayHaveHappenedHalfway) {
  RedisServer server;
  OwnScript own(server,
                "redis.call('SET', KEYS[1], 'half') return redis.call('LPUSH', KEYS[1], 'x')");
  RedisLoop redis(client_options(server.url()));
  const std::string end = outcome(redis, own.script);
  EXPECT_TRUE(end.starts_with("unknown: ")) << end;
  EXPECT_NE(end.find("WRONGTYPE"), std::string::npos) << end;
  EXPECT_EQ(server.command({"GET", "key"}).text, "half");
}

TEST(RedisEval, ALuaErrorIsTheSame) {
  RedisServer server;
  OwnScript own(server, "redis.call('SET', KEYS[1], 'half') return nil + 1");
  RedisLoop redis(client_options(server.url()));
  EXPECT_TRUE(outcome(redis, own.script).starts_with("unknown: "));
}

TEST(RedisEval, AMissingRightInsideIsFoundHalfway) {
  RedisOptions options;
  options.users = {"bob on >pw ~* &* -@all +evalsha +script|load +time +client|id +set"};
  RedisServer server(options);
  OwnScript own(server, "redis.call('SET', KEYS[1], 'half') return redis.call('GET', KEYS[1])");
  RedisLoop redis(client_options("unix://bob:pw@" + server.socket_path()));
  EXPECT_TRUE(outcome(redis, own.script).starts_with("unknown: "));
  EXPECT_EQ(server.command({"GET", "key"}).text, "half");
}

TEST(RedisEval, AMissingRightToTheScriptIsARefusal) {
  RedisOptions options;
  options.users = {"bob on >pw ~* &* -@all +time +client|id"};
  RedisServer server(options);
  OwnScript own(server, "return 1");
  RedisLoop redis(client_options("unix://bob:pw@" + server.socket_path()));
  EXPECT_EQ(outcome(redis, own.script), "server NOPERM");
}

TEST(RedisEval, AFullServerRefusesAtTheFirstWriteAndNothingWasDone) {
  RedisServer server;
  OwnScript own(server, "redis.call('GET', KEYS[1]) redis.call('SET', KEYS[1], 'x') return 1");
  RedisLoop redis(client_options(server.url()));
  server.command({"CONFIG", "SET", "maxmemory", "1"});
  EXPECT_EQ(outcome(redis, own.script), "server OOM");
  server.command({"CONFIG", "SET", "maxmemory", "0"});
  EXPECT_TRUE(server.command({"GET", "key"}).is_nil());
  EXPECT_EQ(outcome(redis, own.script), "ok");
}

// What the table's rule stands on: after a first write that a full server allows, it no longer
// refuses.
TEST(RedisEval, AFullServerDoesNotRefuseASecondWrite) {
  RedisServer server;
  OwnScript own(server, "redis.call('DEL', 'other') redis.call('SET', KEYS[1], 'x') return 1");
  RedisLoop redis(client_options(server.url()));
  server.command({"SET", "other", "x"});
  server.command({"CONFIG", "SET", "maxmemory", "1"});
  EXPECT_EQ(outcome(redis, own.script), "ok");
  server.command({"CONFIG", "SET", "maxmemory", "0"});
  EXPECT_EQ(server.command({"GET", "key"}).text, "x");
}

TEST(RedisEval, AReplicaRefusesAndTheLaneConnectsAnewUntilItIsAMaster) {
  RedisServer server;
  OwnScript own(server, "redis.call('SET', KEYS[1], 'x') return 1");
  RedisLoop redis(client_options(server.url()));
  EXPECT_EQ(outcome(redis, own.script), "ok");
  server.command({"REPLICAOF", "127.0.0.1", "1"});
  EXPECT_EQ(outcome(redis, own.script, 400ms), "server READONLY");
  std::string error;
  redis.on_loop([&] { error = redis.client().lane(0).last_error(); });
  EXPECT_TRUE(error.starts_with("this is a replica of 127.0.0.1:1")) << error;
  std::thread later([&] { server.command({"REPLICAOF", "NO", "ONE"}); });
  EXPECT_EQ(outcome(redis, own.script, 10s), "ok");
  later.join();
  std::uint64_t epoch = 0;
  redis.on_loop([&] { epoch = redis.client().lane(0).epoch(); });
  EXPECT_EQ(epoch, 2U) << "a replica is not used at all";
}

TEST(RedisEval, AServerThatRunsALongScriptIsWaitedFor) {
  RedisOptions options;
  options.config = {"busy-reply-threshold 50"};
  RedisServer server(options);
  OwnScript own(server, "return 1");
  OwnScript endless(server, "while true do end");
  RedisLoop redis(client_options(server.url()));
  EXPECT_EQ(outcome(redis, own.script), "ok");
  std::thread runs([&] {
    RedisClient client = server.connect();
    EXPECT_TRUE(client.try_command({"EVALSHA", endless.sha1, "0"}, 20s).is_error());
  });
  EXPECT_TRUE(wait_for(5s, [&] {
    const Value reply = server.try_command({"PING"});
    return reply.is_error() && reply.text.starts_with("BUSY");
  }));
  EXPECT_EQ(outcome(redis, own.script, 1s), "server BUSY");
  std::thread later([&] {
    std::this_thread::sleep_for(200ms);
    EXPECT_FALSE(server.try_command({"SCRIPT", "KILL"}).is_error());
  });
  EXPECT_EQ(outcome(redis, own.script, 10s), "ok");
  later.join();
  runs.join();
}

TEST(RedisEval, AServerThatCannotSaveIsWaitedFor) {
  RedisOptions options;
  options.config = {"min-replicas-to-write 1"};
  RedisServer server(options);
  OwnScript own(server, "redis.call('SET', KEYS[1], 'x') return 1");
  RedisLoop redis(client_options(server.url()));
  EXPECT_EQ(outcome(redis, own.script, 200ms), "server NOREPLICAS");
  server.command({"CONFIG", "SET", "min-replicas-to-write", "0"});
  EXPECT_EQ(outcome(redis, own.script), "ok");
}

// The texts of this server, as the table sees them.
TEST(RedisEval, TheTableKnowsWhatThisServerSays) {
  RedisServer server;
  const auto verdict = [&](const std::vector<std::string>& command) {
    const Value reply = server.try_command(command);
    EXPECT_TRUE(reply.is_error()) << reply.dump();
    return redis::classify(reply.text);
  };
  EXPECT_EQ(verdict({"EVALSHA", std::string(40, '0'), "0"}).remedy, Remedy::load_script);
  EXPECT_EQ(verdict({"EVAL", "return (", "0"}).remedy, Remedy::fatal);
  EXPECT_EQ(verdict({"EVAL", "return (", "0"}).executed, Executed::no);
  EXPECT_EQ(verdict({"EVAL", "return redis.call('NOSUCH')", "0"}).executed, Executed::maybe_half);
  EXPECT_EQ(verdict({"EVAL", "error('x')", "0"}).executed, Executed::maybe_half);
  EXPECT_EQ(verdict({"EVAL", "return undefined_name", "0"}).executed, Executed::maybe_half);
  EXPECT_EQ(verdict({"NOSUCH"}).remedy, Remedy::fatal);
  EXPECT_EQ(verdict({"GET"}).remedy, Remedy::fatal);
}

}  // namespace
}  // namespace mx_rmq::test
