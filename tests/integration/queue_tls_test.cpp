// The whole queue over TLS, to real servers: whom it trusts, what it says where it does not, what
// it survives. What OpenSSL's end of it does byte by byte is in tests/unit/redis.
#include <atomic>
#include <thread>

#include "mx_rmq/log.hpp"
#include "support/fake_port.hpp"
#include "support/fault_proxy.hpp"
#include "support/queue_fixture.hpp"
#include "support/tls_server.hpp"

namespace mx_rmq::test {
namespace {

// What the library logs while it lives, from the level on.
class SeenLog {
 public:
  explicit SeenLog(LogLevel level = LogLevel::info) {
    set_log_level(level);
    set_log_sink([this](LogLevel, std::string_view line) {
      const std::lock_guard lock(mutex_);
      text_.append(line).append("\n");
    });
  }
  ~SeenLog() {
    set_log_sink({});
    set_log_level(LogLevel::info);
  }
  SeenLog(const SeenLog&) = delete;
  SeenLog& operator=(const SeenLog&) = delete;
  std::string text() const {
    const std::lock_guard lock(mutex_);
    return text_;
  }

 private:
  mutable std::mutex mutex_;
  std::string text_;
};

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

MQConfig config_for(const TlsServer& server) {
  MQConfig config = quick_config("");
  server.lead_here(config);
  return config;
}

MQConfig hasty(MQConfig config) {
  config.connect_timeout = 500ms;
  config.produce_timeout = 300ms;
  return config;
}

const Certificate& authority() { return CommonCertificates::get().authority; }

TlsServer showing(const Certificate& certificate) {
  TlsServerOptions options;
  options.certificate = certificate;
  return TlsServer(std::move(options));
}

// initialize (as a TlsError), produce, health and the log say `part`.
void expect_refused(const MQConfig& config, const std::string& part) {
  SCOPED_TRACE(part);
  SeenLog log;
  RedisMessageQueue queue(hasty(config));
  try {
    sync_wait(queue.initialize());
    ADD_FAILURE() << "initialized";
  } catch (const TlsError& error) {
    EXPECT_TRUE(has(error.what(), part)) << error.what();
  }
  try {
    sync_wait(queue.produce("t", 1));
    ADD_FAILURE() << "produced";
  } catch (const Error& error) {
    EXPECT_TRUE(has(error.what(), part)) << error.what();
  }
  const auto began = WaitClock::now();
  const HealthReport health = sync_wait(queue.health_check());
  EXPECT_LT(WaitClock::now() - began, 5s);
  EXPECT_FALSE(health.healthy);
  EXPECT_TRUE(has(health.checks.at("redis"), part)) << health.checks.at("redis");
  EXPECT_TRUE(has(log.text(), part)) << log.text();
  sync_wait(queue.cleanup());
}

// --- all of it, encrypted ---

TEST(QueueTls, ProducesHandlesRetriesAndBuries) {
  TlsServer server;
  const auto journal = std::make_shared<Journal>();
  MQConfig config = config_for(server);
  config.max_retries = 1;
  RedisMessageQueue queue(config);
  queue.register_handler("good", recorder(journal));
  queue.register_handler("bad", [](Context&) -> Task<> {
    throw std::runtime_error("no");
    co_return;
  });
  sync_wait(queue.start_background());
  for (int i = 0; i < 100; ++i) sync_wait(queue.produce("good", i));
  sync_wait(queue.produce("good", std::string(900'000, 'x')));
  const std::string id = sync_wait(queue.produce("bad", "b"));
  ASSERT_TRUE(journal->wait_size(101));
  ASSERT_TRUE(wait_for(patience, [&] { return stat(server.redis(), "bad", "dead") == 1; }));
  EXPECT_TRUE(sync_wait(queue.health_check()).healthy);
  const std::string clients = server.redis().command({"CLIENT", "LIST"}).str();
  EXPECT_FALSE(has(clients, "name=mx-rmq laddr=" + server.redis().socket_path())) << clients;
  sync_wait(queue.cleanup());
  EXPECT_TRUE(drained(server.redis(), "good"));
}

TEST(QueueTls, AServerThatWantsACertificateGetsOurs) {
  TlsServerOptions options;
  options.wants_certificate = true;
  TlsServer server(std::move(options));
  MQConfig config = config_for(server);
  config.tls_cert_file = server.client_cert_file();
  config.tls_key_file = server.client_key_file();
  RedisMessageQueue queue(config);
  sync_wait(queue.initialize());
  sync_wait(queue.produce("t", 1));
  sync_wait(queue.cleanup());
}

TEST(QueueTls, TwoLoopsAtOnce) {
  TlsServer server;
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&server, i] {
      const std::string topic = "t" + std::to_string(i);
      const auto journal = std::make_shared<Journal>();
      RedisMessageQueue queue(config_for(server), std::make_shared<Runtime>());
      queue.register_handler(topic, recorder(journal));
      sync_wait(queue.start_background());
      for (int k = 0; k < 50; ++k) sync_wait(queue.produce(topic, k));
      EXPECT_TRUE(journal->wait_size(50));
      sync_wait(queue.cleanup());
    });
  }
  for (std::thread& each : threads) each.join();
}

// --- whom it trusts ---

TEST(QueueTls, WhatIsWrongWithACertificateIsSaid) {
  {
    const TlsServer server = showing(authority().issue({.name = "old", .until = -60s}));
    expect_refused(config_for(server), "the server's certificate (CN=old) expired at 20");
  }
  {
    const TlsServer server = showing(Certificate::self_signed({.name = "alone"}));
    expect_refused(config_for(server),
                   "the server's certificate (CN=alone) is signed by itself, and not among those "
                   "trusted by tls_ca_file");
  }
  {
    const TlsServer server = showing(authority().issue({.name = "w", .names = "DNS:example.org"}));
    expect_refused(config_for(server), "is for DNS:example.org and not for");
    MQConfig config = config_for(server);
    config.tls_server_name = "example.org";
    RedisMessageQueue queue(config);
    sync_wait(queue.initialize());
    sync_wait(queue.cleanup());
  }
  {
    TlsServer server;
    MQConfig config = config_for(server);
    config.tls_ca_file = server.files().write(
        "other.pem", Certificate::self_signed({.name = "other", .authority = true}).pem());
    expect_refused(config, "not among those trusted by tls_ca_file");
    config.tls_ca_file.clear();
    expect_refused(config, "trusted by the certificates of this system");
    config.tls_ca_file = "/nowhere/ca.pem";
    expect_refused(config, "cannot be read: No such file");
  }
}

TEST(QueueTls, AServerThatWantsACertificateIsToldAsSuch) {
  TlsServerOptions options;
  options.wants_certificate = true;
  const TlsServer server(std::move(options));
  expect_refused(config_for(server), "certificate of ours");
}

TEST(QueueTls, WithoutVerificationThereIsAWarning) {
  TlsServer server = showing(Certificate::self_signed({.name = "?", .names = ""}));
  SeenLog log;
  MQConfig config = quick_config(server.url());
  config.tls_verify = false;
  RedisMessageQueue queue(config);
  sync_wait(queue.initialize());
  sync_wait(queue.cleanup());
  EXPECT_TRUE(has(log.text(), "tls_verify is false")) << log.text();
}

// --- TLS here and not there ---

TEST(QueueTls, APlainRedisIsTold) {
  RedisServer plain({.tcp = true, .password = "sesame"});
  const std::string port = std::to_string(plain.port());
  expect_refused(quick_config("rediss://:sesame@127.0.0.1:" + port),
                 "the Redis at 127.0.0.1:" + port + " speaks no TLS at this port");
}

TEST(QueueTls, APortForTlsIsToldToWhomSpeaksNone) {
  const TlsServer server;
  SeenLog log;
  RedisMessageQueue queue(
      hasty(quick_config("redis://127.0.0.1:" + std::to_string(server.port()))));
  const std::string error = thrown_by([&] { sync_wait(queue.initialize()); });
  EXPECT_TRUE(has(error, "speaks TLS: write rediss:// instead of redis:// in redis_url")) << error;
  sync_wait(queue.cleanup());
}

TEST(QueueTls, AWebServerIsTold) {
  FakePort port([](std::string_view) {
    return std::string("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
  });
  expect_refused(quick_config("rediss://127.0.0.1:" + std::to_string(port.port())),
                 "does not speak TLS: it answered");
}

// Whatever is there, the password goes there encrypted or not at all.
TEST(QueueTls, NothingIsEverSaidInTheClear) {
  std::mutex mutex;
  std::string seen;
  std::atomic<int> round{0};
  FakePort port([&](std::string_view first) -> std::string {
    const std::lock_guard lock(mutex);
    seen.append(first);
    switch (++round % 4) {
      case 0:
        return "+OK\r\n";
      case 1:
        return "-NOAUTH Authentication required.\r\n";
      case 2:
        return std::string("\x15\x03\x01\x00\x02\x02\x46", 7);
      default:
        return "";
    }
  });
  MQConfig config = quick_config("rediss://user:sesame@localhost:" + std::to_string(port.port()));
  config.connect_timeout = 300ms;
  config.produce_timeout = 400ms;
  RedisMessageQueue queue(config);
  EXPECT_NE(thrown_by([&] { sync_wait(queue.initialize()); }), "");
  EXPECT_NE(thrown_by([&] { sync_wait(queue.produce("topic", "payload")); }), "");
  sync_wait(queue.cleanup());
  EXPECT_GT(port.accepted(), 3);
  const std::lock_guard lock(mutex);
  for (const char* const secret : {"sesame", "user", "AUTH", "EVALSHA", "payload"}) {
    EXPECT_FALSE(has(seen, secret)) << secret;
  }
}

// --- over time ---

TEST(QueueTls, ACertificateIsReplacedWhileTheQueueWorks) {
  TlsServer server;
  const auto journal = std::make_shared<Journal>();
  RedisMessageQueue queue(config_for(server));
  queue.register_handler("t", recorder(journal));
  sync_wait(queue.start_background());
  sync_wait(queue.produce("t", 0));
  // A good one by another authority, which the client learns of by the file.
  const Certificate next = Certificate::self_signed({.name = "next CA", .authority = true});
  server.files().write("ca.pem", authority().pem() + next.pem());
  server.rotate(next.issue({.name = "server 2"}));
  server.redis().command({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
  sync_wait(queue.produce("t", 1));
  // One that has expired: nothing goes on, and that is said.
  server.rotate(next.issue({.name = "server 3", .until = -60s}));
  server.redis().command({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
  EXPECT_TRUE(wait_for(patience, [&] {
    const HealthReport health = sync_wait(queue.health_check());
    return has(health.checks.at("redis"), "(CN=server 3) expired at");
  }));
  server.rotate(next.issue({.name = "server 4"}));
  sync_wait(queue.produce("t", 2));
  EXPECT_TRUE(journal->wait_size(3));
  EXPECT_TRUE(wait_for(patience, [&] { return sync_wait(queue.health_check()).healthy; }));
  sync_wait(queue.cleanup());
}

TEST(QueueTls, LaterHandshakesAreShort) {
  TlsServer server;
  SeenLog log(LogLevel::debug);
  {
    RedisMessageQueue queue(config_for(server));
    sync_wait(queue.initialize());
    sync_wait(queue.produce("t", 1));
    EXPECT_TRUE(has(log.text(), "TLS handshake done")) << log.text();
    // It says goodbye: the session is good.
    server.redis().command({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
    sync_wait(queue.produce("t", 2));
    sync_wait(queue.cleanup());
  }
  EXPECT_TRUE(has(log.text(), "resumed=true")) << log.text();
}

// --- a wire that is cut ---

// Messages go through a wire of which the first connections are spoiled: each is handled.
void expect_all_handled(TlsServer& server, const std::function<void(FaultProxy&)>& spoil) {
  server.redis().command({"FLUSHALL"});
  ProxyOptions through;
  through.tcp = true;
  through.tls_port = server.port();
  FaultProxy proxy("", "", through);
  spoil(proxy);
  MQConfig config = config_for(server);
  config.redis_url = proxy.url();
  config.lease = 2s;
  config.command_timeout = 300ms;
  config.connect_timeout = 500ms;
  const auto journal = std::make_shared<Journal>();
  RedisMessageQueue queue(config);
  queue.register_handler("t", recorder(journal));
  try {
    sync_wait(queue.start_background());
  } catch (const Error&) {
    proxy.plan({});
    sync_wait(queue.start_background());
  }
  Strings ids;
  for (int i = 0; i < 5; ++i) {
    ids.push_back(sync_wait(queue.produce("t", i)));
  }
  EXPECT_TRUE(wait_for(patience, [&] {
    return std::all_of(ids.begin(), ids.end(),
                       [&](const std::string& id) { return journal->count(id) > 0; });
  }));
  EXPECT_TRUE(wait_drained(server.redis(), "t"));
  sync_wait(queue.cleanup());
  EXPECT_EQ(stat(server.redis(), "t", "produced"), 5) << "a silent twin";
}

TEST(QueueTls, CutAtRecordsAndBytesNothingIsLostAndNothingHappensTwice) {
  TlsServer server;
  for (const Direction direction : {Direction::to_server, Direction::to_client}) {
    for (const bool records : {true, false}) {
      for (std::uint64_t at = records ? 0 : 3; at < (records ? 8 : 3000); at += records ? 2 : 701) {
        SCOPED_TRACE((records ? "record " : "byte ") + std::to_string(at));
        expect_all_handled(server, [&](FaultProxy& proxy) {
          proxy.plan([=](std::uint64_t connection) -> std::optional<ByteFault> {
            if (connection > 3) return std::nullopt;
            ByteFault fault;
            fault.direction = direction;
            fault.frames = records;
            fault.at = at;
            fault.how = connection % 2 == 0 ? End::reset : End::fin;
            return fault;
          });
        });
      }
    }
  }
}

TEST(QueueTls, SlicedToSingleBytesAllIsWell) {
  TlsServer server;
  expect_all_handled(server, [](FaultProxy& proxy) { proxy.slice(1); });
}

TEST(QueueTls, ARecordThatWasChangedOnTheWayEndsTheConnection) {
  TlsServer server;
  expect_all_handled(server, [](FaultProxy& proxy) {
    proxy.plan([](std::uint64_t connection) -> std::optional<ByteFault> {
      if (connection > 4) return std::nullopt;
      ByteFault fault;
      fault.direction = connection % 2 == 0 ? Direction::to_server : Direction::to_client;
      fault.at = 1700 + 400 * connection;
      fault.what = ByteFault::What::flip;
      return fault;
    });
  });
}

// --- secrets ---

TEST(QueueTls, NoKeyAndNoPasswordIsInAnyText) {
  TlsServerOptions options;
  options.redis.password = "sesame-opens";
  options.wants_certificate = true;
  TlsServer server(std::move(options));
  MQConfig config = config_for(server);
  config.tls_cert_file = server.client_cert_file();
  config.tls_key_file = server.client_key_file();
  std::string all = config.describe();
  {
    SeenLog log(LogLevel::trace);
    RedisMessageQueue queue(hasty(config));
    sync_wait(queue.initialize());
    sync_wait(queue.produce("t", 1));
    sync_wait(queue.cleanup());
    config.tls_key_file = server.files().path() + "/server.key";  // another's
    RedisMessageQueue wrong(hasty(config));
    all += thrown_by([&] { sync_wait(wrong.initialize()); });
    all += sync_wait(wrong.health_check()).checks.at("redis");
    sync_wait(wrong.cleanup());
    all += log.text();
  }
  EXPECT_TRUE(has(all, "tls_key_file")) << all;
  EXPECT_FALSE(has(all, "sesame-opens"));
  std::string key = CommonCertificates::get().client.key_pem();
  key = key.substr(key.find('\n') + 1, 40);
  EXPECT_FALSE(has(all, key));
  key = CommonCertificates::get().server.key_pem();
  EXPECT_FALSE(has(all, key.substr(key.find('\n') + 1, 40)));
  EXPECT_FALSE(has(all, "PRIVATE KEY"));
}

}  // namespace
}  // namespace mx_rmq::test
