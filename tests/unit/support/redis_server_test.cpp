#include "support/redis_server.hpp"

#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <thread>

#include "support/wait.hpp"

namespace mx_rmq::test {
namespace {

using namespace std::chrono_literals;

TEST(RedisServer, AnswersOnItsSocket) {
  RedisServer server;
  EXPECT_EQ(server.command({"PING"}).str(), "PONG");
  EXPECT_EQ(server.command({"SET", "a", std::string("b\0c", 3)}).str(), "OK");
  EXPECT_EQ(server.command({"GET", "a"}).str(), std::string("b\0c", 3));
  EXPECT_TRUE(server.command({"GET", "none"}).is_nil());
  EXPECT_EQ(server.url(), "unix://" + server.socket_path());
  EXPECT_EQ(server.command({"CONFIG", "GET", "port"})[1].str(), "0");
}

TEST(RedisServer, ErrorsAreThrownOrReturned) {
  RedisServer server;
  EXPECT_THROW(server.command({"NOSUCH"}), std::runtime_error);
  const Value reply = server.try_command({"NOSUCH"});
  EXPECT_TRUE(reply.is_error());
  EXPECT_TRUE(reply.text.starts_with("ERR unknown command"));
  EXPECT_THROW(reply.str(), std::logic_error);
}

TEST(RedisServer, NestedRepliesKeepTheirShape) {
  RedisServer server;
  const Value reply =
      server.command({"EVAL", "return {1, {'x', false}, redis.status_reply('fine')}", "0"});
  EXPECT_EQ(reply[0].num(), 1);
  EXPECT_EQ(reply[1][0].str(), "x");
  EXPECT_TRUE(reply[1][1].is_nil());
  EXPECT_EQ(reply[2].str(), "fine");
  EXPECT_EQ(reply.dump(), "[(integer) 1, [\"x\", (nil)], fine]");
  EXPECT_THROW(reply[3], std::logic_error);
}

TEST(RedisServer, LeavesNothingBehind) {
  std::string directory;
  pid_t pid = -1;
  {
    RedisServer server({.tcp = true});
    directory = server.directory();
    pid = server.pid();
    EXPECT_TRUE(std::filesystem::exists(directory));
  }
  EXPECT_FALSE(std::filesystem::exists(directory));
  EXPECT_NE(::kill(pid, 0), 0);
}

TEST(RedisServer, ListensOnTcpToo) {
  RedisServer server({.tcp = true});
  RedisServer other({.tcp = true});
  EXPECT_NE(server.port(), other.port());
  EXPECT_EQ(server.tcp_url(), "redis://127.0.0.1:" + std::to_string(server.port()));
  RedisClient client = RedisClient::tcp(server.port());
  EXPECT_EQ(client.command({"PING"}).str(), "PONG");
  const int port = server.port();
  server.restart();
  EXPECT_EQ(server.port(), port);
}

TEST(RedisServer, KeepsItsDataOverKillAndRestartWithAppendonly) {
  RedisServer server({.appendonly = true, .appendfsync = "always"});
  const pid_t first = server.pid();
  server.command({"SET", "a", "b"});
  server.kill9();
  EXPECT_THROW(server.command({"PING"}), std::runtime_error);
  server.restart();
  EXPECT_NE(server.pid(), first);
  EXPECT_EQ(server.command({"GET", "a"}).str(), "b");
  server.stop();
  EXPECT_THROW(server.connect(), std::runtime_error);
  server.restart();
  EXPECT_EQ(server.command({"GET", "a"}).str(), "b");
}

TEST(RedisServer, RestartedByAShortLivedThreadStaysUp) {
  RedisServer server;
  std::thread([&] { server.restart(); }).join();
  EXPECT_FALSE(wait_for(100ms, [&] { return server.pid() < 0; }));
  EXPECT_EQ(server.command({"PING"}).str(), "PONG");
}

TEST(RedisServer, PausedAnswersNothingUntilResumed) {
  RedisServer server;
  RedisClient client = server.connect();
  server.pause();
  client.send({"PING"});
  EXPECT_THROW(client.receive(50ms), std::runtime_error);
  server.resume();
  EXPECT_EQ(client.receive().str(), "PONG");
}

TEST(RedisServer, AsksForThePassword) {
  RedisServer server({.tcp = true, .password = "s3cret"});
  EXPECT_EQ(server.command({"PING"}).str(), "PONG");
  EXPECT_EQ(server.url(), "unix://:s3cret@" + server.socket_path());
  RedisClient stranger = RedisClient::tcp(server.port());
  EXPECT_TRUE(stranger.try_command({"GET", "a"}).text.starts_with("NOAUTH"));
}

TEST(RedisServer, KnowsItsUsers) {
  RedisOptions options;
  options.users = {"bob on >pw ~only:* &* +@all"};
  RedisServer server(options);
  RedisClient bob = server.connect();
  bob.command({"AUTH", "bob", "pw"});
  EXPECT_TRUE(bob.try_command({"GET", "else"}).text.starts_with("NOPERM"));
  EXPECT_TRUE(bob.try_command({"GET", "only:x"}).is_nil());
}

TEST(RedisServer, TakesConfigAndArguments) {
  RedisOptions options;
  options.debug_command = true;
  options.config = {"maxmemory 10mb"};
  options.arguments = {"--maxclients", "77"};
  RedisServer server(options);
  EXPECT_EQ(server.command({"CONFIG", "GET", "maxmemory"})[1].str(), "10485760");
  EXPECT_EQ(server.command({"CONFIG", "GET", "maxclients"})[1].str(), "77");
  EXPECT_EQ(server.command({"DEBUG", "SLEEP", "0"}).str(), "OK");
}

TEST(RedisServer, SaysWhyItDoesNotStart) {
  RedisOptions options;
  options.config = {"no-such-option yes"};
  try {
    RedisServer server(options);
    FAIL() << "started";
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find("no-such-option"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace mx_rmq::test
