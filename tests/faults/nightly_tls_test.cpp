// TLS on a wire that is spoiled anywhere: at every record, at every byte of a handshake, at some of
// what follows, both ways, by an end, a reset, silence and a wrong bit.
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "support/fault_proxy.hpp"
#include "support/queue_fixture.hpp"
#include "support/tls_server.hpp"

namespace mx_rmq::faults {
namespace {

using namespace test;

constexpr std::uint64_t spoiled_connections = 4;

class NightlyJ : public ::testing::Test {
 protected:
  // Messages of every fate while the first connections are spoiled by `fault`: each call succeeds,
  // each message runs as often as it should.
  void exchange(const std::optional<ByteFault>& fault) {
    RedisServer& redis = server_.redis();
    redis.command({"FLUSHALL"});
    ProxyOptions through;
    through.tcp = true;
    through.tls_port = server_.port();
    FaultProxy proxy("", "", through);
    proxy.plan([&](std::uint64_t connection) {
      return connection <= spoiled_connections ? fault : std::nullopt;
    });
    MQConfig config = quick_config(proxy.url());
    config.tls_ca_file = server_.ca_file();
    config.reconnect_backoff_min = 1ms;
    config.reconnect_backoff_max = 20ms;
    config.connect_timeout = 300ms;
    config.command_timeout = 300ms;
    config.produce_timeout = 20s;
    config.wait_for_redis = true;
    const auto journal = std::make_shared<Journal>();
    RedisMessageQueue queue(config);
    queue.register_handler("t", [journal](const json& payload, Context& context) -> Task<> {
      journal->add(context);
      if (payload == "rejected") throw Reject("no");
      if (payload == "fails once" && context.attempt() == 1) throw std::runtime_error("once");
      co_return;
    });
    const std::string error = thrown_by([&] {
      sync_wait(queue.start_background());
      sync_wait(queue.produce("t", "plain"));
      sync_wait(queue.produce("t", "fails once"));
      sync_wait(queue.produce("t", "rejected"));
      sync_wait(queue.produce("t", std::string(100'000, 'x')));
    });
    EXPECT_EQ(error, "");
    EXPECT_TRUE(wait_for(
        patience, [&] { return stat(redis, "t", "completed") + stat(redis, "t", "dead") == 4; },
        1ms));
    sync_wait(queue.stop());
    sync_wait(queue.cleanup());
    EXPECT_EQ(stat(redis, "t", "completed"), 3);
    EXPECT_EQ(stat(redis, "t", "dead"), 1);
    EXPECT_EQ(stat(redis, "t", "produced"), 4);
    EXPECT_EQ(journal->size(), 5u) << "each once, and one twice";
    EXPECT_TRUE(drained(redis, "t"));
    spoiled_ += proxy.counts().spoiled;
  }
  void exchange_with(Direction direction, bool records, std::uint64_t at, ByteFault::What what,
                     End how) {
    ByteFault fault;
    fault.direction = direction;
    fault.frames = records;
    fault.at = at;
    fault.what = what;
    fault.how = how;
    SCOPED_TRACE((direction == Direction::to_server ? "to the server, " : "to the client, ") +
                 std::string(records ? "record " : "byte ") + std::to_string(at));
    exchange(fault);
  }

  TlsServer server_;
  std::uint64_t spoiled_ = 0;
};

constexpr Direction both[] = {Direction::to_server, Direction::to_client};
constexpr std::uint64_t handshake = 2'500;  // bytes, either way, with room to spare

TEST_F(NightlyJ, J1_cut_at_every_record_of_a_connection) {
  for (const Direction direction : both) {
    for (std::uint64_t at = 0; at < 24; ++at) {
      for (const End how : {End::fin, End::reset}) {
        exchange_with(direction, true, at, ByteFault::What::end, how);
      }
    }
  }
  EXPECT_GT(spoiled_, 48u);
}

TEST_F(NightlyJ, J1_cut_at_every_byte_of_a_handshake_and_some_behind_it) {
  for (const Direction direction : both) {
    for (std::uint64_t at = 0; at < handshake; ++at) {
      exchange_with(direction, false, at, ByteFault::What::end,
                    at % 2 == 0 ? End::fin : End::reset);
    }
    for (std::uint64_t at = handshake; at < 60'000; at += 509) {
      exchange_with(direction, false, at, ByteFault::What::end, End::fin);
    }
  }
  EXPECT_GT(spoiled_, 2 * handshake);
}

TEST_F(NightlyJ, J1_a_wrong_bit_or_silence_anywhere) {
  for (const Direction direction : both) {
    for (std::uint64_t at = 0; at < 60'000; at += at < handshake ? 37 : 1'009) {
      exchange_with(direction, false, at, ByteFault::What::flip, End::fin);
    }
    for (std::uint64_t at = 0; at < 60'000; at += at < handshake ? 211 : 5'003) {
      exchange_with(direction, false, at, ByteFault::What::stall, End::fin);
    }
  }
  EXPECT_GT(spoiled_, 200u);
}

}  // namespace
}  // namespace mx_rmq::faults
