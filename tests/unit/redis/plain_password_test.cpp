// A password that goes over a network as it is.
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>

#include "integration/redis_fixture.hpp"
#include "mx_rmq/errors.hpp"
#include "mx_rmq/log.hpp"
#include "support/wait.hpp"
#include "unit/redis/scripted_server.hpp"

namespace mx_rmq::redis {
namespace {

using namespace std::chrono_literals;
using test::RedisLoop;

class ResolvesTo final : public Resolver {
 public:
  ResolvesTo(runtime::EventLoop& loop, std::string address)
      : loop_(loop), address_(std::move(address)) {}
  void resolve(std::string, int port, Callback done) override {
    loop_.defer([this, done = std::move(done), port] {
      Result result;
      result.addresses.push_back({false, address_, port});
      done(std::move(result));
    });
  }

 private:
  runtime::EventLoop& loop_;
  std::string address_;
};

// Warnings of that kind while a client with this URL connects, several times.
std::size_t warnings(const std::string& url, const std::string& address, bool secure = false) {
  std::atomic<std::size_t> count{0};
  set_log_sink([&](LogLevel level, std::string_view line) {
    if (level == LogLevel::warn && line.find("unencrypted") != std::string_view::npos) ++count;
    EXPECT_EQ(line.find("sesame"), std::string_view::npos) << line;
  });
  const auto server = std::make_shared<ServerScript>();
  server->refuse_connections = true;
  {
    ClientOptions options = test::client_options(url);
    options.connection.backoff_min = 1ms;
    options.connection.backoff_max = 2ms;
    RedisLoop redis(options, [&](runtime::EventLoop& loop, const ConnectionOptions&) {
      Seams seams = scripted_seams(loop, server, {});
      seams.resolver = std::make_shared<ResolvesTo>(loop, address);
      seams.secure = secure;
      return seams;
    });
    EXPECT_THROW(redis.send(Command::of("PING"), 200ms), Error);
  }
  EXPECT_GT(server->connections, 1);  // its loop has ended: nobody else counts
  set_log_sink({});
  return count;
}

TEST(PlainPassword, ToAnotherMachineIsAWarningOnce) {
  EXPECT_EQ(warnings("redis://:sesame@h", "192.0.2.1"), 1u);
  EXPECT_EQ(warnings("redis://user:sesame@h", "2001:db8::1"), 1u);
}

TEST(PlainPassword, ToThisMachineOrWithTlsIsNone) {
  EXPECT_EQ(warnings("redis://:sesame@h", "127.0.0.1"), 0u);
  EXPECT_EQ(warnings("redis://:sesame@h", "127.8.9.1"), 0u);
  EXPECT_EQ(warnings("redis://:sesame@h", "::1"), 0u);
  EXPECT_EQ(warnings("redis://:sesame@h", "192.0.2.1", true), 0u);
  EXPECT_EQ(warnings("redis://h", "192.0.2.1"), 0u) << "there is no password";
}

}  // namespace
}  // namespace mx_rmq::redis
