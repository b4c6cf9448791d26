// The fault proxy does what it says, and nothing else.
#include <gtest/gtest.h>

#include <atomic>

#include "faults/support.hpp"
#include "support/fault_proxy.hpp"
#include "support/proxy_stream.hpp"
#include "support/redis_server.hpp"
#include "support/wait.hpp"

namespace mx_rmq::faults {
namespace {

using namespace std::chrono_literals;
using test::RedisClient;
using Strings = std::vector<std::string>;

class FaultProxyTest : public ::testing::Test {
 protected:
  static test::RedisServer& server() {
    static test::RedisServer instance;
    return instance;
  }
  FaultProxyTest() : proxy(server().socket_path(), path()) {}
  static std::string path() { return server().directory() + "/proxy.sock"; }
  RedisClient connect() const { return RedisClient::unix_socket(path()); }
  // The bytes of the reply to PING are "+PONG\r\n".
  void spoil(ByteFault fault) {
    proxy.plan([fault](std::uint64_t) { return fault; });
  }
  // `patience`: how long an answer may take; short only where none is to come.
  static std::string error_of(RedisClient& client, std::chrono::milliseconds patience = 10s) {
    try {
      return client.receive(patience).text;
    } catch (const std::runtime_error& e) {
      return e.what();
    }
  }
  std::string ping(std::chrono::milliseconds patience = 10s) {
    RedisClient client = connect();
    try {
      client.send({"PING"});  // a refused connection may have ended by now
    } catch (const std::runtime_error& error) {
      return error.what();
    }
    return error_of(client, patience);
  }
  static std::int64_t counter(const std::string& key) {
    const auto value = server().command({"GET", key});
    return value.is_nil() ? 0 : value.num();
  }

  FaultProxy proxy;
};

TEST_F(FaultProxyTest, PassesEverythingUnchanged) {
  RedisClient client = connect();
  const std::string bytes = std::string(200'000, 'x') + "\r\n*1\r\n" + std::string(1, '\0');
  client.command({"SET", "k", bytes});
  EXPECT_EQ(client.command({"GET", "k"}).str(), bytes);
  for (int i = 0; i < 100; ++i) client.send({"ECHO", std::to_string(i)});
  for (int i = 0; i < 100; ++i) EXPECT_EQ(client.receive().str(), std::to_string(i));
  EXPECT_EQ(proxy.counts().commands, 102u);
  EXPECT_EQ(proxy.counts().replies, 102u);
  EXPECT_EQ(proxy.counts().spoiled, 0u);
}

TEST_F(FaultProxyTest, EndsAConnectionAfterAnyByteOfARequest) {
  const std::string request = "*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n";
  for (std::size_t at : {std::size_t{0}, std::size_t{1}, request.size() - 1, request.size()}) {
    server().command({"DEL", "n"});
    spoil({Direction::to_server, false, at, ByteFault::What::end});
    RedisClient client = connect();
    client.send_raw(request);
    const bool all = at == request.size();
    if (all) client.send({"PING"});
    EXPECT_NE(error_of(client).find(all ? "" : "closed"), std::string::npos);
    EXPECT_TRUE(test::wait_for(all ? 10s : 0s, [&] { return counter("n") == (all ? 1 : 0); }))
        << at;
  }
}

TEST_F(FaultProxyTest, EndsAConnectionAfterAnyByteOfAReply) {
  for (std::uint64_t at = 0; at < 7; ++at) {
    spoil({Direction::to_client, false, at, ByteFault::What::end});
    EXPECT_NE(ping().find("closed"), std::string::npos) << at;
  }
  spoil({Direction::to_client, false, 7, ByteFault::What::end});
  EXPECT_EQ(ping(), "PONG");
}

TEST_F(FaultProxyTest, StallsFlipsDropsAndDuplicatesBytes) {
  spoil({Direction::to_client, false, 3, ByteFault::What::stall});
  EXPECT_NE(ping(500ms).find("no reply"), std::string::npos);
  spoil({Direction::to_client, false, 2, ByteFault::What::flip, End::fin, 5});
  EXPECT_EQ(ping(), "PoNG");
  ByteFault drop{Direction::to_client, false, 1, ByteFault::What::drop};
  drop.length = 2;
  spoil(drop);
  EXPECT_EQ(ping(), "NG");
  drop.what = ByteFault::What::duplicate;
  spoil(drop);
  EXPECT_EQ(ping(), "POPONG");
  EXPECT_EQ(proxy.counts().spoiled, 4u);
}

TEST_F(FaultProxyTest, DropsAndDuplicatesWholeReplies) {
  for (const auto what : {ByteFault::What::drop, ByteFault::What::duplicate}) {
    spoil({Direction::to_client, true, 1, what});
    RedisClient client = connect();
    for (const char* each : {"a", "b", "c"}) client.send({"ECHO", each});
    EXPECT_EQ(client.receive().str(), "a");
    if (what == ByteFault::What::duplicate) {
      EXPECT_EQ(client.receive().str(), "b");
      EXPECT_EQ(client.receive().str(), "b");
    }
    EXPECT_EQ(client.receive().str(), "c");
  }
}

TEST_F(FaultProxyTest, AJudgeLosesACommandOrItsReply) {
  server().command({"DEL", "n"});
  std::atomic<int> fate{0};
  proxy.judge_commands([&](const SeenCommand& seen) {
    if (seen.arguments[0] != "INCR") return CommandFate::pass;
    return fate == 0 ? CommandFate::lose : CommandFate::lose_reply;
  });
  RedisClient first = connect();
  first.command({"PING"});
  first.send({"INCR", "n"});
  EXPECT_NE(error_of(first).find("closed"), std::string::npos);
  EXPECT_EQ(counter("n"), 0) << "the command was lost";
  fate = 1;
  RedisClient second = connect();
  // At once: what comes after the end of a connection is an error of its own.
  const std::string increment = "*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n";
  second.send_raw("*1\r\n$4\r\nPING\r\n" + increment + increment);
  EXPECT_EQ(second.receive().text, "PONG") << "what was asked before is answered";
  EXPECT_NE(error_of(second).find("closed"), std::string::npos);
  EXPECT_EQ(counter("n"), 1) << "executed once, and nothing after it";
}

TEST_F(FaultProxyTest, AJudgeHoldsACommandOrAReplyBack) {
  server().command({"DEL", "n"});
  proxy.judge_commands([](const SeenCommand& seen) {
    return seen.arguments[0] == "INCR" ? CommandFate::hold : CommandFate::pass;
  });
  RedisClient client = connect();
  client.send({"INCR", "n"});
  EXPECT_THROW(client.receive(100ms), std::runtime_error);
  EXPECT_EQ(counter("n"), 0);
  proxy.judge_commands({});
  proxy.release_held();
  EXPECT_EQ(client.receive().num(), 1);

  proxy.judge_replies([](const SeenCommand&, std::string_view reply) {
    return reply == ":2\r\n" ? ReplyFate::hold : ReplyFate::pass;
  });
  client.send({"INCR", "n"});
  EXPECT_THROW(client.receive(100ms), std::runtime_error);
  EXPECT_TRUE(test::wait_for(10s, [] { return counter("n") == 2; })) << "executed";
  proxy.heal();
  EXPECT_EQ(client.receive().num(), 2);
}

TEST_F(FaultProxyTest, StallsDelaysSlicesRefusesAndHeals) {
  RedisClient client = connect();
  client.command({"PING"});
  for (const auto direction : {Direction::to_server, Direction::to_client}) {
    proxy.stall(direction, true);
    client.send({"ECHO", "late"});
    EXPECT_THROW(client.receive(100ms), std::runtime_error);
    proxy.stall(direction, false);
    EXPECT_EQ(client.receive().str(), "late");
  }
  proxy.slice(1);
  const std::string long_one(5000, 'y');
  EXPECT_EQ(client.command({"ECHO", long_one}).str(), long_one);
  proxy.delay(50ms, 60ms);
  const auto began = test::WaitClock::now();
  client.command({"PING"});
  EXPECT_GE(test::WaitClock::now() - began, 100ms) << "either way";
  proxy.refuse(true);
  EXPECT_EQ(ping().find("PONG"), std::string::npos);
  proxy.heal();
  EXPECT_EQ(ping(), "PONG");
  bool quick = false;  // once at least, however busy the machine is
  for (int i = 0; i < 50 && !quick; ++i) {
    const auto healed = test::WaitClock::now();
    client.command({"PING"});
    quick = test::WaitClock::now() - healed < 100ms;
  }
  EXPECT_TRUE(quick);
}

TEST_F(FaultProxyTest, EndsConnectionsByFinResetAndHalves) {
  FaultProxy tcp(server().socket_path(), "", {true});
  const int port = std::stoi(tcp.url().substr(tcp.url().rfind(':') + 1));
  const auto told = [&](End how) {
    RedisClient client = RedisClient::tcp(port);
    client.command({"PING"});
    tcp.end_all(how);
    return error_of(client);
  };
  EXPECT_NE(told(End::fin).find("closed"), std::string::npos);
  EXPECT_NE(told(End::reset).find("reset"), std::string::npos);
  EXPECT_NE(told(End::half_to_client).find("closed"), std::string::npos);
  EXPECT_NE(told(End::half_to_server).find("closed"), std::string::npos) << "the server hangs up";
}

TEST(FaultProxyFrames, AreFoundInAnyRespAndNotBeforeTheyAreWhole) {
  const std::string reply = "*3\r\n$2\r\na\r\r\n:7\r\n*1\r\n$-1\r\n";
  for (std::size_t size = 0; size < reply.size(); ++size)
    EXPECT_EQ(first_frame(std::string_view(reply).substr(0, size)), 0u) << size;
  EXPECT_EQ(first_frame(reply + "+OK\r\n"), reply.size());
  EXPECT_EQ(first_frame("-ERR x\r\n+"), 8u);
  EXPECT_EQ(command_of("*2\r\n$3\r\nGET\r\n$0\r\n\r\n"), (Strings{"GET", ""}));
}

}  // namespace
}  // namespace mx_rmq::faults
