// Lanes over TLS, to a server in memory: the same as without, and nothing where TLS fails.
#include "redis/connection/tls/tls_transport.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "integration/redis_fixture.hpp"
#include "mx_rmq/errors.hpp"
#include "runtime/frames.hpp"
#include "runtime/scope.hpp"
#include "support/tls_files.hpp"
#include "support/wait.hpp"
#include "unit/redis/machine.hpp"
#include "unit/redis/tls_scripted_server.hpp"

namespace mx_rmq::redis {
namespace {

using test::Certificate;
using test::CommonCertificates;
using test::RedisLoop;
using test::TlsFiles;

constexpr const lua::Script* scripts[] = {&test_script};

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

// How one command ended.
struct End {
  std::string reply;
  std::string error;
  std::string text;
  int times = 0;
};

Task<> echo(Lane* lane, std::string text, TimePoint deadline, End* end) {
  Command command = Command::of("ECHO", text);
  try {
    Reply reply = co_await lane->send(std::move(command), deadline);
    end->reply = reply.take_string();
  } catch (const OutcomeUnknown&) {
    end->error = "unknown";
  } catch (const TlsError& error) {
    end->error = "tls";
    end->text = error.what();
  } catch (const ConnectionError& error) {
    end->error = "connection";
    end->text = error.what();
  } catch (const TimeoutError&) {
    end->error = "timeout";
  } catch (const ShutdownError&) {
    end->error = "shutdown";
  }
  ++end->times;
}

Task<> echo_all(RedisLoop* redis, std::vector<std::string>* texts, std::vector<End>* ends,
                std::chrono::milliseconds timeout) {
  runtime::Scope scope(redis->loop(),
                       [](std::exception_ptr error) { std::rethrow_exception(error); });
  const TimePoint deadline = redis->loop().now() + timeout;
  Lane* const lane = &redis->client().lane(0);
  for (std::size_t i = 0; i < texts->size(); ++i) {
    scope.spawn(echo(lane, (*texts)[i], deadline, &(*ends)[i]));
  }
  co_await scope.join();
}

// One lane over TLS to a server that echoes.
class World {
 public:
  explicit World(const TlsFiles& files,
                 std::shared_ptr<TlsWire> the_wire = std::make_shared<TlsWire>())
      : wire(std::move(the_wire)), server(std::make_shared<ServerScript>()) {
    server->answer = [](const Arguments& command) { return bulk(command.back()); };
    TlsOptions tls;
    tls.ca_file = files.write("ca.pem", CommonCertificates::get().authority.pem());
    tls.server_name = "localhost";
    start(tls);
  }
  World(const TlsOptions& tls, std::shared_ptr<TlsWire> the_wire)
      : wire(std::move(the_wire)), server(std::make_shared<ServerScript>()) {
    server->answer = [](const Arguments& command) { return bulk(command.back()); };
    start(tls);
  }

  std::vector<End> echo_these(std::vector<std::string> texts,
                              std::chrono::milliseconds timeout = 60s) {
    std::vector<End> ends(texts.size());
    redis->run([&] { return echo_all(redis.get(), &texts, &ends, timeout); });
    return ends;
  }
  void expect_echoed(std::size_t count, std::size_t size = 1) {
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < count; ++i) {
      texts.push_back(std::to_string(i) + std::string(size, 'x'));
    }
    const std::vector<End> ends = echo_these(texts);
    for (std::size_t i = 0; i < count; ++i) {
      EXPECT_EQ(ends[i].error, "") << ends[i].text;
      EXPECT_EQ(ends[i].reply, texts[i]);
    }
  }
  // Until the lane has made `times` more connections, was refused and tells why: the command that
  // follows needs no time for a handshake, however slow it is.
  void wait_until_refused(int times = 1) {
    int before = 0;
    redis->on_loop([&] {
      before = wire->connections;
      redis->client().lane(0).connect();
    });
    EXPECT_TRUE(test::wait_for(10s, [&] {
      bool refused = false;
      redis->on_loop([&] {
        refused = wire->connections >= before + times && !redis->client().health().unfit.empty();
      });
      return refused;
    }));
  }
  void drop() {
    redis->on_loop([&] {
      Lane& lane = redis->client().lane(0);
      lane.reconnect(lane.epoch(), "the test says so");
    });
  }

  std::shared_ptr<TlsWire> wire;
  std::shared_ptr<ServerScript> server;
  std::unique_ptr<RedisLoop> redis;

 private:
  void start(const TlsOptions& tls) {
    ClientOptions options;
    options.pool_size = 1;
    options.scripts = scripts;
    options.connection.connect_timeout = 60s;  // a handshake byte by byte under TSan takes long
    options.connection.backoff_min = 1ms;
    options.connection.backoff_max = 4ms;
    options.connection.tls = tls;
    redis = std::make_unique<RedisLoop>(
        options, [this, tls](runtime::EventLoop& loop, const ConnectionOptions&) {
          return tls_scripted_seams(loop, tls, wire, server, scripts);
        });
  }
};

std::shared_ptr<TlsWire> showing(const Certificate& certificate) {
  TlsPeerOptions options;
  options.certificate = certificate;
  auto wire = std::make_shared<TlsWire>();
  wire->context = TlsPeerContext(options);
  return wire;
}

class TlsTransportTest : public ::testing::Test {
 protected:
  TlsFiles files;
};

TEST_F(TlsTransportTest, CommandsAndRepliesOfAllSizesPass) {
  World world(files);
  world.expect_echoed(50);
  world.expect_echoed(3, 5'000);
  world.expect_echoed(5, 100'000);
  world.expect_echoed(1, 3'000'000);
  EXPECT_EQ(world.wire->connections, 1);
  EXPECT_EQ(world.wire->asked_for, "localhost");
}

TEST_F(TlsTransportTest, InPiecesOfAnySizeItIsTheSame) {
  for (const std::size_t piece : {1, 2, 5, 100, 16'000, 70'000}) {
    auto wire = std::make_shared<TlsWire>();
    wire->read_piece = wire->write_piece = piece;
    World world(files, wire);
    world.expect_echoed(10);
    world.expect_echoed(2, piece < 100 ? 2'000 : 200'000);
    EXPECT_EQ(world.wire->connections, 1);
  }
}

// The connection ends after byte i of what is encrypted, either way, for every i.
TEST_F(TlsTransportTest, CutAtEveryByteEachWaiterIsAnsweredOnceAndTheNextConnectionWorks) {
  const std::int64_t frames = runtime::live_frames();
  std::size_t up = 0, down = 0;
  {
    World world(files);
    world.expect_echoed(3);
    up = world.wire->up;
    down = world.wire->down;
  }
  ASSERT_GT(up, 500u);
  ASSERT_GT(down, 1000u);
  for (const bool upwards : {true, false}) {
    for (std::size_t at = 0; at < (upwards ? up : down); at += 5) {
      SCOPED_TRACE((upwards ? "byte up " : "byte down ") + std::to_string(at));
      auto wire = std::make_shared<TlsWire>();
      (upwards ? wire->cut_up : wire->cut_down) = at;
      World world(files, wire);
      const std::vector<End> ends = world.echo_these({"0", "1", "2"}, 10ms);
      for (std::size_t i = 0; i < ends.size(); ++i) {
        EXPECT_EQ(ends[i].times, 1);
        EXPECT_NE(ends[i].error, "tls") << ends[i].text;
        EXPECT_EQ(ends[i].reply, ends[i].error.empty() ? std::to_string(i) : "");
      }
      world.redis->on_loop([&] {
        wire->cut_up.reset();
        wire->cut_down.reset();
      });
      world.expect_echoed(1);
      EXPECT_EQ(wire->plain, "");
    }
  }
  EXPECT_EQ(runtime::live_frames(), frames);
}

TEST_F(TlsTransportTest, ACertificateThatIsRefusedEndsCallsWithTlsErrorAndNothingIsSent) {
  auto wire = showing(CommonCertificates::get().authority.issue({.name = "old", .until = -60s}));
  World world(files, wire);
  world.wait_until_refused(2);
  const std::vector<End> ends = world.echo_these({"secret"}, 50ms);
  EXPECT_EQ(ends[0].error, "tls");
  EXPECT_TRUE(has(ends[0].text, "no TLS connection to 192.0.2.1:6379 that may be used"))
      << ends[0].text;
  EXPECT_TRUE(has(ends[0].text, "(CN=old) expired at")) << ends[0].text;
  world.redis->on_loop([&] {  // which goes on trying
    EXPECT_TRUE(has(wire->alert, "alert")) << "the server was not told: " << wire->alert;
    EXPECT_EQ(wire->plain, "");
    EXPECT_TRUE(world.server->commands.empty());
    EXPECT_TRUE(has(world.redis->client().health().unfit, "expired at"));
  });
  // The server has got a new one.
  world.redis->on_loop([&] { wire->context = TlsPeerContext(); });
  world.expect_echoed(1);
  world.redis->on_loop([&] { EXPECT_EQ(world.redis->client().health().unfit, ""); });
}

TEST_F(TlsTransportTest, VerifiedAgainAtEachConnection) {
  auto wire = std::make_shared<TlsWire>();
  World world(files, wire);
  world.expect_echoed(1);
  world.redis->on_loop([&] {
    TlsPeerOptions options;
    options.certificate =
        CommonCertificates::get().authority.issue({.name = "wrong", .names = "DNS:example.org"});
    wire->context = TlsPeerContext(options);
  });
  world.drop();
  world.wait_until_refused();
  const std::vector<End> ends = world.echo_these({"x"}, 50ms);
  EXPECT_EQ(ends[0].error, "tls");
  EXPECT_TRUE(has(ends[0].text, "DNS:example.org and not for \"localhost\"")) << ends[0].text;
}

TEST_F(TlsTransportTest, AServerThatSpeaksNoTlsGetsNothingButTheHello) {
  auto wire = std::make_shared<TlsWire>();
  wire->answer = "-ERR Protocol error\r\n";
  World world(files, wire);
  world.wait_until_refused();
  const std::vector<End> ends = world.echo_these({"secret"}, 50ms);
  EXPECT_EQ(ends[0].error, "tls");
  EXPECT_TRUE(has(ends[0].text, "does not speak TLS: it answered \"-ERR Protocol error"))
      << ends[0].text;
  world.redis->on_loop([&] { EXPECT_EQ(wire->plain, ""); });
}

TEST_F(TlsTransportTest, AHandshakeThatIsNotAnsweredEndsAtItsDeadline) {
  auto wire = std::make_shared<TlsWire>();
  wire->swallow = true;
  TlsOptions tls;
  tls.server_name = "localhost";
  ClientOptions options;
  options.pool_size = 1;
  options.connection.connect_timeout = 40ms;
  options.connection.tls = tls;
  auto server = std::make_shared<ServerScript>();
  RedisLoop redis(options, [&](runtime::EventLoop& loop, const ConnectionOptions&) {
    return tls_scripted_seams(loop, tls, wire, server, {});
  });
  std::string told;
  const bool said = test::wait_for(5s, [&] {
    redis.on_loop([&] {
      redis.client().lane(0).connect();
      told = redis.client().health().last_error;
    });
    return !told.empty();
  });
  EXPECT_TRUE(said);
  EXPECT_TRUE(has(told, "the TLS handshake timed out")) << told;
  redis.on_loop([&] { EXPECT_EQ(wire->plain.find("PING"), std::string::npos); });
}

// --- ends ---

TEST_F(TlsTransportTest, AtTheEndGoodbyeIsSaid) {
  World world(files);
  world.expect_echoed(1);
  world.redis->close();
  world.redis.reset();
  EXPECT_EQ(world.wire->goodbyes, 1);
}

// --- sessions and files ---

TEST_F(TlsTransportTest, ConnectionsAfterAGoodEndAreResumed) {
  World world(files);
  for (int i = 0; i < 4; ++i) {
    world.expect_echoed(1);
    world.drop();
  }
  world.expect_echoed(1);
  EXPECT_EQ(world.wire->connections, 5);
  EXPECT_EQ(world.wire->resumed, 4);
}

TEST_F(TlsTransportTest, AfterAnEndWithoutAGoodbyeTheHandshakeIsAWholeOne) {
  World world(files);
  world.expect_echoed(1);
  world.redis->on_loop([&] { world.wire->cut_down = world.wire->down + 1; });
  EXPECT_NE(world.echo_these({"x"})[0].error, "");
  world.redis->on_loop([&] { world.wire->cut_down.reset(); });
  world.expect_echoed(1);
  EXPECT_EQ(world.wire->connections, 2);
  EXPECT_EQ(world.wire->resumed, 0);
}

TEST_F(TlsTransportTest, FilesThatWereReplacedCountFromTheNextConnectionOn) {
  const Certificate next = Certificate::self_signed({.name = "the next CA", .authority = true});
  auto wire = std::make_shared<TlsWire>();
  World world(files, wire);
  world.expect_echoed(1);
  // The server is certified by another authority now, and nobody has told us.
  world.redis->on_loop([&] {
    TlsPeerOptions options;
    options.certificate = next.issue({.name = "server"});
    wire->context = TlsPeerContext(options);
  });
  world.drop();
  world.wait_until_refused();
  EXPECT_EQ(world.echo_these({"x"}, 50ms)[0].error, "tls");
  files.write("ca.pem", next.pem());
  world.expect_echoed(1);
}

TEST_F(TlsTransportTest, NewFilesMeanNewSessions) {
  World world(files);
  world.expect_echoed(1);
  files.write("ca.pem", CommonCertificates::get().authority.pem() + "\n");
  world.drop();
  world.expect_echoed(1);
  EXPECT_EQ(world.wire->connections, 2);
  EXPECT_EQ(world.wire->resumed, 0);
}

TEST_F(TlsTransportTest, AFileThatCannotBeUsedIsNamedAndNothingIsConnectedTo) {
  const Certificate& client = CommonCertificates::get().client;
  const std::string ca = files.write("ca.pem", CommonCertificates::get().authority.pem());
  const std::string cert = files.write("cert.pem", client.pem());
  const std::string key = files.write("key.pem", client.key_pem());
  const std::string other = files.write("other.key", CommonCertificates::get().server.key_pem());
  const std::string locked = files.write("locked.key", client.encrypted_key_pem("secret"));
  const std::string garbage = files.write("garbage.pem", "garbage\n");
  const std::string empty = files.write("empty.pem", "");
  struct Row {
    TlsOptions options;
    std::vector<std::string> said;
  };
  const auto with = [&](std::string ca_file, std::string cert_file, std::string key_file) {
    TlsOptions options;
    options.ca_file = std::move(ca_file);
    options.cert_file = std::move(cert_file);
    options.key_file = std::move(key_file);
    options.server_name = "localhost";
    return options;
  };
  TlsOptions no_dir = with("", "", "");
  no_dir.ca_dir = files.path() + "/nowhere";
  for (const Row& row : {
           Row{with("/nowhere/ca.pem", "", ""),
               {"tls_ca_file: \"/nowhere/ca.pem\"", "No such file"}},
           Row{with(garbage, "", ""), {"tls_ca_file", "no certificate in PEM form"}},
           Row{with(empty, "", ""), {"tls_ca_file", "no certificate in PEM form"}},
           Row{no_dir, {"tls_ca_dir", "No such file"}},
           Row{with(ca, "/nowhere/c", key), {"tls_cert_file", "No such file"}},
           Row{with(ca, garbage, key), {"tls_cert_file", "no certificate in PEM form"}},
           Row{with(ca, cert, "/nowhere/k"), {"tls_key_file", "No such file"}},
           Row{with(ca, cert, garbage), {"tls_key_file", "no key in PEM form"}},
           Row{with(ca, cert, other), {"tls_key_file", "the key of another certificate"}},
           Row{with(ca, cert, locked), {"tls_key_file", "passphrase"}},
           Row{with(ca, cert, ""), {"tls_cert_file", "no key in PEM form"}},
       }) {
    auto wire = std::make_shared<TlsWire>();
    World world(row.options, wire);
    world.wait_until_refused(0);
    const std::vector<End> ends = world.echo_these({"x"}, 20ms);
    EXPECT_EQ(ends[0].error, "tls");
    for (const std::string& part : row.said) EXPECT_TRUE(has(ends[0].text, part)) << ends[0].text;
    EXPECT_EQ(wire->connections, 0);
  }
}

}  // namespace
}  // namespace mx_rmq::redis
