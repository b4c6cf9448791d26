// A connection that falls silent is given up after twice command_timeout and does not cost a call
// all the time it has: at the first command after the set-up, at the reply that was awaited, before
// the command was read.
#include <atomic>
#include <cstdio>
#include <functional>
#include <map>
#include <stdexcept>

#include "faults/support.hpp"
#include "support/fault_proxy.hpp"
#include "support/queue_fixture.hpp"

namespace mx_rmq::faults {
namespace {

using namespace test;

class FaultsF : public QueueTest {
 protected:
  static MQConfig impatient() {
    MQConfig config = quick_config(proxy().url());
    config.connection_pool_size = 2;
    config.command_timeout = 200ms;
    config.reconnect_backoff_min = 1ms;
    config.reconnect_backoff_max = 20ms;
    return config;
  }
  static FaultProxy& proxy() {
    static FaultProxy one(server().socket_path(), server().directory() + "/proxy.sock");
    return one;
  }
  // Nothing passes back on the connection that is told to be silent, from `first` on.
  void silence_replies_from(std::function<bool(const SeenCommand&)> first) {
    proxy().judge_replies([this, first](const SeenCommand& seen, std::string_view) {
      if (!first(seen) || silenced_.exchange(true)) return ReplyFate::pass;
      return ReplyFate::hold;
    });
  }
  void TearDown() override {
    proxy().heal();
    QueueTest::TearDown();
  }

  std::atomic<bool> silenced_{false};
};

TEST_F(FaultsF, F2_silence_right_after_the_set_up_does_not_cost_all_the_time_to_produce) {
  MQConfig config = impatient();
  config.produce_timeout = 1min;
  std::atomic<int> times{0};
  // What is not produced before there is a connection waits for the answer to a TIME of its own.
  silence_replies_from(
      [&times](const SeenCommand& seen) { return seen.arguments[0] == "TIME" && ++times == 2; });
  RedisMessageQueue queue(config);
  EXPECT_EQ(thrown_by([&] { produce(queue, "t", "late"); }), "");
  EXPECT_TRUE(silenced_);
  EXPECT_EQ(stat(server(), "t", "produced"), 1);
}

TEST_F(FaultsF, F2_silence_after_a_produce_call_makes_it_go_again_after_command_timeout) {
  MQConfig config = impatient();
  config.produce_timeout = 4s;  // below five seconds, the default of command_timeout
  silence_replies_from([](const SeenCommand& seen) { return seen.script == "produce"; });
  RedisMessageQueue queue(config);
  EXPECT_EQ(thrown_by([&] { produce(queue, "t", "again"); }), "");
  EXPECT_TRUE(silenced_);
  EXPECT_EQ(stat(server(), "t", "produced"), 1) << "once, though it went twice";
}

TEST_F(FaultsF, F2_silence_before_a_cancel_call_is_read_makes_it_go_over_another_connection) {
  const MQConfig config = impatient();
  RedisMessageQueue queue(config);
  const std::string id = produce(queue, "t", "unwanted", ProduceOptions{}.delay(1h));
  proxy().judge_commands([this](const SeenCommand& seen) {
    if (seen.script != "cancel" || silenced_.exchange(true)) return CommandFate::pass;
    return CommandFate::hold;
  });
  bool cancelled = false;
  EXPECT_EQ(thrown_by([&] { cancelled = sync_wait(queue.cancel("t", id)); }), "");
  EXPECT_TRUE(silenced_);
  EXPECT_TRUE(cancelled);
}

using Call = std::function<void(RedisMessageQueue&)>;

TEST_F(FaultsF, F2_silence_before_any_call_is_read_ends_it_and_the_next_one_works) {
  constexpr auto health = [](RedisMessageQueue& queue) {
    if (!sync_wait(queue.health_check()).healthy) throw std::runtime_error("no reply: red");
  };
  const std::map<std::string, Call> calls = {
      {"initialize", [](auto& queue) { sync_wait(queue.initialize()); }},
      {"health_check", health},
      {"collect", [](auto& queue) { sync_wait(queue.metrics().collect({"t"})); }},
      {"produce_batch",
       [](auto& queue) {
         std::vector<OutgoingMessage> messages;
         messages.emplace_back("t", "one");
         sync_wait(queue.produce_batch(std::move(messages)));
       }},
      {"cancel", [](auto& queue) { sync_wait(queue.cancel("t", "nobody")); }},
      {"count", [](auto& queue) { sync_wait(queue.dead_letters().count("t")); }},
      {"list", [](auto& queue) { sync_wait(queue.dead_letters().list("t")); }},
      {"get", [](auto& queue) { sync_wait(queue.dead_letters().get("t", "nobody")); }},
      {"requeue", [](auto& queue) { sync_wait(queue.dead_letters().requeue("t", "nobody")); }},
      {"requeue_all", [](auto& queue) { sync_wait(queue.dead_letters().requeue_all("t")); }},
      {"remove", [](auto& queue) { sync_wait(queue.dead_letters().remove("t", "nobody")); }},
      {"purge", [](auto& queue) { sync_wait(queue.dead_letters().purge("t")); }},
  };
  for (const auto& [name, call] : calls) {
    SCOPED_TRACE(name);
    MQConfig config = impatient();
    config.produce_timeout = 1min;
    RedisMessageQueue queue(config);
    produce(queue, "t", "so that there are connections");
    health(queue);
    silenced_ = false;
    std::atomic<bool> armed{true};
    proxy().judge_commands([this, &armed](const SeenCommand&) {
      if (!armed || silenced_.exchange(true)) return CommandFate::pass;
      return CommandFate::hold;
    });
    // Some go again by themselves, what is not asked twice tells that its outcome is not known.
    const std::string error = thrown_by([&] { call(queue); });
    if (name == "produce_batch" || name == "initialize") {
      EXPECT_EQ(error, "");
    } else if (!error.empty()) {
      EXPECT_NE(error.find("no reply"), std::string::npos) << error;
    }
    EXPECT_TRUE(silenced_);
    armed = false;
    proxy().judge_commands({});
    EXPECT_TRUE(wait_for(patience, [&] { return thrown_by([&] { call(queue); }).empty(); }));
    std::printf("    %-14s %s\n", name.c_str(), error.empty() ? "went again" : error.c_str());
  }
}

}  // namespace
}  // namespace mx_rmq::faults
