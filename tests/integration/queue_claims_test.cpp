// Claims that are not answered, and what a consumer owes to others when it stops in the middle of
// one.
#include <atomic>
#include <thread>

#include "support/fault_proxy.hpp"
#include "support/queue_fixture.hpp"

namespace mx_rmq::test {
namespace {

class QueueClaims : public QueueTest {
 protected:
  // A consumer behind a proxy, of which nobody else does the work: no sweep heals what it forgets.
  QueueClaims()
      : proxy_(server().socket_path(), server().directory() + "/claims.sock",
               {.keep_calls = true}) {
    proxy_.judge_replies([this](const SeenCommand& call, std::string_view) {
      if (call.script != "claim") return ReplyFate::pass;
      if (holds_) return ReplyFate::hold;
      ++answered_;
      return ReplyFate::pass;
    });
  }

  MQConfig alone() {
    MQConfig made = config();
    made.redis_url = proxy_.url();
    made.expired_check_interval = 10min;
    made.processing_monitor_interval = 10min;
    made.task_queue_size = 1000;  // it waits for markers while a claim is under way
    made.shutdown_timeout = 2s;
    return made;
  }
  std::size_t claims() {
    std::size_t count = 0;
    for (const SeenCommand& call : proxy_.calls()) count += call.script == "claim" ? 1 : 0;
    return count;
  }
  static bool waits() {
    const std::string info = server().command({"INFO", "clients"}).str();
    return info.find("blocked_clients:1") != std::string::npos;
  }
  static bool armed() { return server().command({"ZCARD", key_of("t", "wake")}).num() == 1; }
  static void arm() { server().command({"ZADD", key_of("t", "wake"), "0", "0"}); }
  void hold_claims() { holds_ = true; }
  void let_go() {
    holds_ = false;
    proxy_.judge_commands(nullptr);
    proxy_.release_held();
  }
  // Idle: the claim at the beginning has found nothing, and its connections wait.
  void start_idle(RedisMessageQueue& queue) {
    start(queue);
    ASSERT_TRUE(wait_for(patience, [&] { return answered_ >= 1 && waits(); }));
  }

  std::atomic<bool> holds_{false};  // the replies to claims
  std::atomic<int> answered_{0};    // claims whose replies passed
  FaultProxy proxy_;
};

const auto nothing = [](const json&) -> Task<> { co_return; };

TEST_F(QueueClaims, AMarkerThatComesDuringAClaimIsHandedOnByAStop) {
  RedisMessageQueue queue(alone());
  queue.register_handler("t", nothing);
  start_idle(queue);
  hold_claims();
  const std::size_t before = claims();
  arm();  // leads to a claim that finds nothing
  ASSERT_TRUE(wait_for(patience, [&] { return claims() > before && waits(); }));
  RedisMessageQueue producer(config());
  produce(producer, "t", 1);  // which that claim has not seen
  ASSERT_TRUE(wait_for(patience, [&] { return !armed() && waits(); })) << "the marker was taken";
  std::thread stopping([&] { stop(queue); });
  EXPECT_TRUE(wait_for(patience, [&] { return queue.status().shutting_down && !waits(); }));
  let_go();
  stopping.join();
  EXPECT_TRUE(armed()) << "another worker has to learn of the message";
  EXPECT_EQ(server().command({"LLEN", key_of("t", "ready:normal")}).num(), 1);
}

TEST_F(QueueClaims, AMarkerThatComesAfterAStopBeganIsHandedOnThoughAnOlderClaimIsAnswered) {
  MQConfig patient = alone();
  patient.shutdown_timeout = 30s;  // of which the end of waits and claims gets a part
  RedisMessageQueue queue(patient);
  queue.register_handler("t", nothing);
  start_idle(queue);
  hold_claims();
  const std::size_t before = claims();
  arm();  // leads to a claim that finds nothing
  ASSERT_TRUE(wait_for(patience, [&] { return claims() > before && waits(); }));
  proxy_.judge_commands([](const SeenCommand& call) {
    const bool ends_a_wait = call.arguments.size() > 1 && call.arguments[1] == "UNBLOCK";
    return ends_a_wait ? CommandFate::hold : CommandFate::pass;
  });
  std::thread stopping([&] { stop(queue); });
  EXPECT_TRUE(wait_for(patience, [&] { return queue.status().shutting_down; }));
  RedisMessageQueue producer(config());
  produce(producer, "t", 1);  // which that claim has not seen
  EXPECT_TRUE(wait_for(patience, [&] { return !armed(); })) << "the marker was taken";
  let_go();
  stopping.join();
  EXPECT_TRUE(armed()) << "another worker has to learn of the message";
  EXPECT_EQ(server().command({"LLEN", key_of("t", "ready:normal")}).num(), 1);
}

TEST_F(QueueClaims, AClaimThatIsNotAnsweredBeforeTheStopHandsOnMarkerAndAlarm) {
  RedisMessageQueue queue(alone());
  queue.register_handler("t", nothing);
  start_idle(queue);
  hold_claims();
  const std::size_t before = claims();
  RedisMessageQueue producer(config());
  produce(producer, "t", 1, ProduceOptions().delay(1h));
  ASSERT_TRUE(wait_for(patience, [&] { return claims() > before && !armed(); }));
  ASSERT_TRUE(wait_for(patience, [&] { return stat(server(), "t", "alarm") > 0; }))
      << "the alarm was given to it, in a reply that it has not got";
  stop(queue);
  EXPECT_TRUE(armed());
  EXPECT_EQ(stat(server(), "t", "alarm"), 0) << "or nobody would look when the message falls due";
  let_go();
}

// --- replies that are too large ---

constexpr std::size_t kibibyte = 1024;

RedisOptions small_replies() {
  RedisOptions options;
  options.config = {"client-output-buffer-limit normal 2mb 0 0"};
  return options;
}

// `count` messages of `kibibytes` each.
void produce_large(RedisMessageQueue& queue, int count, std::size_t kibibytes) {
  const std::string text(kibibytes * kibibyte, 'x');
  for (int i = 0; i < count; ++i) sync_wait(queue.produce("t", text));
}

MQConfig greedy(const RedisServer& server) {
  MQConfig made = quick_config(server.url());
  made.task_queue_size = 100;
  made.max_payload_bytes = std::size_t{16} << 20;
  return made;
}

TEST(QueueClaimSize, ClaimsWhoseReplyIsTooLargeForRedisBecomeSmaller) {
  RedisServer server(small_replies());
  RedisMessageQueue queue(greedy(server));
  std::atomic<int> handled{0};
  queue.register_handler("t", [&](const json&) -> Task<> {
    ++handled;
    co_return;
  });
  produce_large(queue, 20, 900);
  sync_wait(queue.start_background());
  EXPECT_TRUE(wait_for(patience, [&] { return handled == 20; })) << handled;
  EXPECT_TRUE(wait_drained(server, "t"));
  EXPECT_TRUE(sound(audit(server, "t")));
}

TEST(QueueClaimSize, HealthIsRedWhileClaimsKeepFailing) {
  RedisServer server(small_replies());
  RedisMessageQueue queue(greedy(server));
  std::atomic<int> handled{0};
  queue.register_handler("t", [&](const json&) -> Task<> {
    ++handled;
    co_return;
  });
  produce_large(queue, 2, 3000);  // no claim is small enough
  sync_wait(queue.start_background());
  HealthReport report;
  EXPECT_TRUE(wait_for(
      patience,
      [&] {
        report = sync_wait(queue.health_check());
        return !report.healthy;
      },
      50ms));
  const std::string why = report.checks["consuming"];
  EXPECT_NE(why.find("topic t: "), std::string::npos) << why;
  EXPECT_NE(why.find("claims in succession have failed"), std::string::npos) << why;
  EXPECT_NE(why.find("client-output-buffer-limit"), std::string::npos) << why;
  server.command({"CONFIG", "SET", "client-output-buffer-limit", "normal 0 0 0"});
  EXPECT_TRUE(wait_for(patience, [&] { return handled == 2; })) << "it has not given up";
  EXPECT_TRUE(wait_for(
      patience, [&] { return sync_wait(queue.health_check()).healthy; }, 50ms));
}

TEST(QueueClaimSize, PagesOfDeadLettersBecomeSmallerToo) {
  RedisServer server(small_replies());
  RedisMessageQueue queue(greedy(server));
  queue.register_handler("t", [](const json&) -> Task<> {
    throw Reject("no");
    co_return;
  });
  produce_large(queue, 12, 900);
  sync_wait(queue.start_background());
  ASSERT_TRUE(wait_for(patience, [&] { return stat(server, "t", "dead") == 12; }));
  const auto letters = sync_wait(queue.dead_letters().list("t", 0, 100));
  EXPECT_EQ(letters.size(), 12U);
}

}  // namespace
}  // namespace mx_rmq::test
