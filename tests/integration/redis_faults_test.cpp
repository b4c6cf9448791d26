// Connections that end, servers that stop, hosts that do not answer.
#include <gtest/gtest.h>
#include <malloc.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "integration/redis_fixture.hpp"
#include "mx_rmq/errors.hpp"
#include "mx_rmq/log.hpp"
#include "runtime/event.hpp"
#include "runtime/scope.hpp"
#include "support/redis_server.hpp"
#include "support/wait.hpp"

namespace mx_rmq::test {
namespace {

using redis::Command;
using redis::Lane;
using redis::Reply;
using runtime::TimePoint;

redis::ClientOptions quick_options(const std::string& url) {
  redis::ClientOptions options = client_options(url);
  options.pool_size = 4;
  options.connection.backoff_min = 5ms;
  options.connection.backoff_max = 50ms;
  return options;
}

// What became of the commands of a run.
struct Tally {
  std::atomic<int> answered{0};
  std::atomic<int> unknown{0};
  std::atomic<int> not_sent{0};
  std::atomic<bool> stop{false};
};

// INCRs one after another; counts each end once.
Task<> keep_counting(RedisLoop* redis, std::size_t lane, Tally* tally) {
  while (!tally->stop.load()) {
    Command command = Command::of("INCR", "counter");
    const TimePoint deadline = redis->loop().now() + 5s;
    bool pause = false;
    try {
      const Reply reply = co_await redis->client().lane(lane).send(std::move(command), deadline);
      if (reply.is_error() && reply.error_text().starts_with("LOADING")) {
        ++tally->not_sent;
        pause = true;
      } else {
        static_cast<void>(reply.as_integer());
        ++tally->answered;
      }
    } catch (const OutcomeUnknown&) {
      ++tally->unknown;
    } catch (const ConnectionError&) {
      ++tally->not_sent;
      pause = true;
    }
    if (pause) co_await sleep_for(1ms);
  }
}

Task<> count_on_all(RedisLoop* redis, Tally* tally) {
  runtime::Scope scope(redis->loop(), [](std::exception_ptr error) {
    try {
      std::rethrow_exception(error);
    } catch (const std::exception& e) {
      ADD_FAILURE() << e.what();
    }
  });
  for (std::size_t i = 0; i < 16; ++i) scope.spawn(keep_counting(redis, i, tally));
  co_await scope.join();
}

// The counter is at least what was answered, and at most that and what may have happened.
void check(RedisServer& server, const Tally& tally) {
  const std::int64_t counted = server.command({"GET", "counter"}).num();
  EXPECT_GE(counted, tally.answered.load());
  EXPECT_LE(counted, tally.answered.load() + tally.unknown.load());
}

TEST(RedisFaults, ConnectionsThatAreKilledAgainAndAgainComeBackAndNothingIsSentTwice) {
  RedisServer server;
  RedisLoop redis(quick_options(server.url()));
  Tally tally;
  std::thread load([&] { redis.run([&] { return count_on_all(&redis, &tally); }); });
  for (int i = 0; i < 40; ++i) {
    const int before = tally.answered.load();
    EXPECT_TRUE(wait_for(10s, [&] { return tally.answered.load() > before + 20; })) << i;
    server.command({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
  }
  const int before = tally.answered.load();
  EXPECT_TRUE(wait_for(10s, [&] { return tally.answered.load() > before + 100; }));
  tally.stop = true;
  load.join();
  EXPECT_GT(tally.unknown.load(), 0);
  check(server, tally);
}

TEST(RedisFaults, AServerThatIsKilledAndRestartedIsUsedAgain) {
  RedisOptions options;
  options.appendonly = true;
  options.appendfsync = "always";
  RedisServer server(options);
  RedisLoop redis(quick_options(server.url()));
  Tally tally;
  std::thread load([&] { redis.run([&] { return count_on_all(&redis, &tally); }); });
  for (int i = 0; i < 5; ++i) {
    const int before = tally.answered.load();
    EXPECT_TRUE(wait_for(10s, [&] { return tally.answered.load() > before + 100; })) << i;
    server.kill9();
    server.restart();
  }
  const int before = tally.answered.load();
  EXPECT_TRUE(wait_for(10s, [&] { return tally.answered.load() > before + 100; }));
  tally.stop = true;
  load.join();
  check(server, tally);
}

// --- hosts that do not answer ---

// A listener that never accepts and whose queue is full: connecting to it neither succeeds nor
// fails.
class BlackHole {
 public:
  BlackHole() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ::bind(listener_, reinterpret_cast<sockaddr*>(&address), size);
    ::listen(listener_, 0);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    for (int i = 0; i < 8; ++i) {
      const int one = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
      ::connect(one, reinterpret_cast<sockaddr*>(&address), size);
      fillers_.push_back(one);
    }
  }
  ~BlackHole() {
    for (const int each : fillers_) ::close(each);
    ::close(listener_);
  }
  BlackHole(const BlackHole&) = delete;
  BlackHole& operator=(const BlackHole&) = delete;
  std::string url() const { return "redis://127.0.0.1:" + std::to_string(port_); }

 private:
  int listener_;
  int port_ = 0;
  std::vector<int> fillers_;
};

TEST(RedisFaults, AHostThatDoesNotAnswerIsGivenUpAtTheConnectTimeout) {
  const BlackHole hole;
  redis::ClientOptions options = client_options(hole.url());
  options.connection.connect_timeout = 300ms;
  options.connection.backoff_min = 10s;
  options.connection.backoff_max = 10s;
  RedisLoop redis(options);
  const auto begin = WaitClock::now();
  std::thread probe([&] {
    std::string error;
    const auto failed = [&] {
      redis.on_loop([&] { error = redis.client().lane(0).last_error(); });
      return !error.empty();
    };
    EXPECT_TRUE(wait_for(5s, failed));
    const auto took = WaitClock::now() - begin;
    EXPECT_NE(error.find("timed out"), std::string::npos) << error;
    EXPECT_GE(took, 290ms);
    EXPECT_LE(took, 400ms);
  });
  EXPECT_THROW(redis.send(Command::of("PING"), 600ms), ConnectionError);
  const auto took = WaitClock::now() - begin;
  EXPECT_GE(took, 595ms);
  EXPECT_LE(took, 800ms);
  probe.join();
}

TEST(RedisFaults, ARefusedConnectionIsAConnectionErrorAtTheDeadline) {
  RedisOptions options;
  options.tcp = true;
  std::string url;
  std::string path;
  {
    RedisServer server(options);
    url = server.tcp_url();
    path = server.url();
  }
  for (const std::string& gone : {url, path}) {
    SCOPED_TRACE(gone);
    RedisLoop redis(client_options(gone));
    const auto begin = WaitClock::now();
    EXPECT_THROW(redis.send(Command::of("PING"), 300ms), ConnectionError);
    EXPECT_GE(WaitClock::now() - begin, 295ms);
    EXPECT_LE(WaitClock::now() - begin, 500ms);
  }
}

TEST(RedisFaults, AServerThatAcceptsAndSaysNothingIsGivenUpInTheSetup) {
  RedisOptions server_options;
  server_options.tcp = true;
  RedisServer server(server_options);
  redis::ClientOptions options = client_options(server.tcp_url());
  options.connection.connect_timeout = 200ms;
  RedisLoop redis(options);
  server.pause();
  try {
    redis.send(Command::of("PING"), 1s);
    ADD_FAILURE() << "answered";
  } catch (const ConnectionError& error) {
    EXPECT_NE(std::string(error.what()).find("set-up"), std::string::npos) << error.what();
  }
  server.resume();
  EXPECT_EQ(redis.send(Command::of("PING")).as_string(), "PONG");
}

// --- slow servers ---

TEST(RedisFaults, ACommandThatTakesTooLongHasAnUnknownOutcomeAndItsLateReplyIsSwallowed) {
  RedisOptions options;
  options.debug_command = true;
  RedisServer server(options);
  RedisLoop redis(client_options(server.url()));
  redis.send(Command::of("PING"));
  const auto begin = WaitClock::now();
  EXPECT_THROW(redis.send(Command::of("DEBUG", "SLEEP", "1"), 200ms), OutcomeUnknown);
  EXPECT_LT(WaitClock::now() - begin, 600ms);
  EXPECT_EQ(redis.send(Command::of("ECHO", "mine"), 10s).as_string(), "mine");
  std::uint64_t epoch = 0;
  redis.on_loop([&] { epoch = redis.client().lane(0).epoch(); });
  EXPECT_EQ(epoch, 1U) << "the connection was kept";
}

TEST(RedisFaults, AServerThatStopsIsLeftAndMemoryStaysBounded) {
  RedisOptions server_options;
  server_options.tcp = true;
  RedisServer server(server_options);
  redis::ClientOptions options = client_options(server.tcp_url());
  options.connection.stall_timeout = 500ms;
  options.connection.connect_timeout = 500ms;
  options.connection.max_queued_bytes = std::size_t{8} << 20;
  RedisLoop redis(options);
  redis.send(Command::of("PING"));
  server.pause();
  struct Flood {
    static Task<> one(RedisLoop* redis, Command command, std::vector<int>* ends) {
      const TimePoint deadline = redis->loop().now() + 300ms;
      try {
        static_cast<void>(co_await redis->client().lane(0).send(std::move(command), deadline));
        ++(*ends)[0];
      } catch (const OutcomeUnknown&) {
        ++(*ends)[1];
      } catch (const TimeoutError&) {
        ++(*ends)[2];
      } catch (const ConnectionError&) {
        ++(*ends)[3];
      }
    }
    static Task<> all(RedisLoop* redis, std::vector<int>* ends) {
      runtime::Scope scope(redis->loop(), [](std::exception_ptr e) { std::rethrow_exception(e); });
      const std::string body(std::size_t{64} << 10, 'x');
      Command command = Command::of("SET", "key", body);
      for (int i = 0; i < 1000; ++i) scope.spawn(one(redis, command, ends));
      co_await scope.join();
    }
  };
  std::vector<int> ends(4);
  redis.run([&] { return Flood::all(&redis, &ends); });
  EXPECT_EQ(ends[0], 0);
  EXPECT_GT(ends[1], 0) << "what the kernel took";
  EXPECT_GT(ends[2], 0) << "what waited";
  EXPECT_GT(ends[3], 0) << "what found the queue full";
  EXPECT_LE(ends[2], 8 * 16 + 1);
  EXPECT_EQ(ends[0] + ends[1] + ends[2] + ends[3], 1000);
  // Half an open connection is none: it is left although the kernel says nothing.
  const auto left = [&] {
    bool ready = true;
    redis.on_loop([&] { ready = redis.client().lane(0).ready(); });
    return !ready;
  };
  EXPECT_TRUE(wait_for(5s, left));
  server.resume();
  EXPECT_EQ(redis.send(Command::of("PING"), 10s).as_string(), "PONG");
}

// --- the log ---

// Keeps what the library logs while it lives.
class Log {
 public:
  Log() {
    set_log_sink([this](LogLevel, std::string_view line) {
      const std::lock_guard lock(mutex_);
      lines_.emplace_back(line);
    });
  }
  ~Log() { set_log_sink({}); }
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;
  std::vector<std::string> lines() {
    const std::lock_guard lock(mutex_);
    return lines_;
  }
  std::size_t count(std::string_view part) {
    std::size_t found = 0;
    for (const std::string& line : lines()) found += line.find(part) != std::string::npos ? 1 : 0;
    return found;
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> lines_;
};

TEST(RedisFaults, TheLogTellsWhatChangesWithoutAFloodAndWithoutAPassword) {
  Log log;
  RedisOptions server_options;
  server_options.users = {"bob on >s3cr3t ~* &* +@all"};
  RedisServer server(server_options);
  redis::ClientOptions options = quick_options("unix://bob:s3cr3t@" + server.socket_path());
  options.pool_size = 20;
  options.connection.refused_retry = 5ms;
  RedisLoop redis(options);
  const auto use_all = [&] {
    for (std::size_t i = 0; i < 20; ++i) {
      try {
        redis.send(Command::of("PING"), 100ms, i);
      } catch (const Error&) {
        // Only what is logged counts here.
      }
    }
  };
  use_all();
  EXPECT_EQ(log.count("connected to Redis"), 1U) << "twenty at the same moment";
  server.command({"ACL", "SETUSER", "bob", "resetpass", ">0ther"});
  server.command({"CLIENT", "KILL", "USER", "bob"});
  EXPECT_TRUE(wait_for(5s, [&] { return log.count("Redis refuses us") > 0; }));
  const auto begin = WaitClock::now();
  while (WaitClock::now() - begin < 500ms) use_all();
  server.kill9();
  const auto later = WaitClock::now();
  while (WaitClock::now() - later < 500ms) use_all();
  EXPECT_EQ(log.count("an idle connection to Redis ended"), 1U) << "twenty again";
  EXPECT_LE(log.count("connection to Redis lost"), 1U);
  EXPECT_EQ(log.count("Redis refuses us"), 1U) << "hundreds of refusals";
  EXPECT_EQ(log.count("no connection to Redis, trying again"), 1U);
  EXPECT_EQ(log.count("s3cr3t"), 0U);
}

// --- resources ---

std::size_t open_files() {
  std::size_t count = 0;
  for (const auto& each : std::filesystem::directory_iterator("/proc/self/fd")) {
    static_cast<void>(each);
    ++count;
  }
  return count;
}

TEST(RedisFaults, ClientsThatComeAndGoLeaveNothingBehind) {
  RedisServer server;
  RedisLoop loop(client_options(server.url()));
  const auto once = [&] {
    std::unique_ptr<redis::Node> client;
    loop.on_loop([&] { client = make_node(loop.loop(), client_options(server.url())); });
    EXPECT_EQ(
        loop.run([&] { return client->lane(0).send(Command::of("PING"), loop.loop().now() + 5s); })
            .as_string(),
        "PONG");
    loop.run([&] { return client->close(loop.loop().now() + 1s); });
    loop.on_loop([&] { client.reset(); });
  };
  once();
  const std::size_t before = open_files();
  for (int i = 0; i < 200; ++i) once();
  EXPECT_TRUE(wait_for(5s, [&] { return open_files() <= before; }));
  EXPECT_TRUE(wait_for(5s, [&] {
    const std::string text = server.command({"INFO", "clients"}).text;
    return text.find("connected_clients:1\r") != std::string::npos;
  }));
}

TEST(RedisFaults, AClientDestroyedWithoutCloseTellsWhoWaits) {
  RedisServer server;
  RedisLoop loop(client_options(server.url()));
  std::unique_ptr<redis::Node> client;
  loop.on_loop([&] { client = make_node(loop.loop(), client_options(server.url())); });
  std::atomic<bool> told = false;
  std::atomic<bool> sent = false;
  std::thread waiter([&] {
    EXPECT_THROW(loop.run([&] {
      sent = true;
      return client->lane(0).send(Command::of("BLPOP", "none", 0), loop.loop().now() + 60s);
    }),
                 Error);
    told = true;
  });
  EXPECT_TRUE(wait_for(5s, [&] { return sent.load(); }));
  loop.on_loop([&] { client.reset(); });
  EXPECT_TRUE(wait_for(5s, [&] { return told.load(); }));
  waiter.join();
}

TEST(RedisFaults, TheEndOfTheRuntimeTellsWhoWaits) {
  RedisServer server;
  auto runtime = std::make_unique<Runtime>();
  runtime::EventLoop* const loop = &runtime->event_loop();
  struct Life {
    static Task<> run(runtime::EventLoop* loop, std::string url, std::string* end) {
      const std::unique_ptr<redis::Node> client = make_node(*loop, client_options(url));
      Command command = Command::of("BLPOP", "none", 0);
      try {
        static_cast<void>(co_await client->lane(0).send(std::move(command), loop->now() + 60s));
      } catch (const Error& error) {
        *end = error.what();
      }
    }
  };
  std::string end;
  std::thread waiter([&] {
    const std::string url = server.url();
    sync_wait(runtime::run_on(*loop, [&] { return Life::run(loop, url, &end); }));
  });
  EXPECT_TRUE(wait_for(5s, [&] {
    return server.command({"INFO", "clients"}).text.find("blocked_clients:1") != std::string::npos;
  }));
  runtime.reset();
  waiter.join();
  EXPECT_NE(end.find("closed"), std::string::npos) << end;
}

}  // namespace
}  // namespace mx_rmq::test
