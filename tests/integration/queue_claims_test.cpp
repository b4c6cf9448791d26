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

  void SetUp() override {
    MX_RMQ_SKIP_WHERE_SERVERS_ARE_MANY();
    QueueTest::SetUp();
  }
  MQConfig alone() {
    MQConfig made = quick_config(proxy_.url());
    made.expired_check_interval = 10min;
    made.processing_monitor_interval = 10min;
    made.task_queue_size = 1000;
    made.shutdown_timeout = 2s;
    return made;
  }
  std::size_t claims() {
    std::size_t count = 0;
    for (const SeenCommand& call : proxy_.calls()) count += call.script == "claim" ? 1 : 0;
    return count;
  }
  // In the idle set, by score: idle since then (above 0), or told of work.
  static std::int64_t listed(const char* from, const char* to) {
    return server().command({"ZCOUNT", key_of("t", "idle"), from, to}).num();
  }
  static bool is_idle() { return listed("(0", "+inf") == 1; }
  // Somebody else who is idle, since just now.
  void add_another() {
    another_.command({"SUBSCRIBE", key_of("t", "to:another")});
    server().command({"ZADD", key_of("t", "idle"), "9999999999999", "another"});
  }
  // Whether it is woken, with what it is told.
  std::string another_is_told() { return another_.receive(patience)[2].str(); }
  void wake(const std::string& who) {
    ASSERT_EQ(server().command({"PUBLISH", key_of("t", "to:" + who), "w0"}).num(), 1);
  }
  static std::string idle_one() {
    return server().command({"ZRANGE", key_of("t", "idle"), "0", "0"}).strings().at(0);
  }
  void hold_claims() { holds_ = true; }
  void let_go() {
    holds_ = false;
    proxy_.judge_commands(nullptr);
    proxy_.release_held();
  }
  // Idle: a claim has found nothing.
  void start_idle(RedisMessageQueue& queue) {
    start(queue);
    ASSERT_TRUE(wait_for(patience, [&] { return answered_ >= 1 && is_idle(); }));
  }

  std::atomic<bool> holds_{false};  // the replies to claims
  std::atomic<int> answered_{0};    // claims whose replies passed
  FaultProxy proxy_;
  RedisClient another_ = server().connect();
};

const auto nothing = [](const json&) -> Task<> { co_return; };

TEST_F(QueueClaims, AWakeUpThatComesDuringAClaimIsHandedOnByAStop) {
  RedisMessageQueue queue(alone());
  queue.register_handler("t", nothing);
  start_idle(queue);
  hold_claims();
  const std::size_t before = claims();
  wake(idle_one());  // leads to a claim that finds nothing
  ASSERT_TRUE(wait_for(patience, [&] { return claims() > before && is_idle(); }));
  add_another();
  RedisMessageQueue producer(config());
  produce(producer, "t", 1);  // which that claim has not seen
  ASSERT_TRUE(wait_for(patience, [&] { return listed("-inf", "(0") == 1; })) << "it was told";
  std::thread stopping([&] { stop(queue); });
  EXPECT_TRUE(another_is_told().starts_with('w')) << "another worker has to learn of the message";
  let_go();
  stopping.join();
  EXPECT_EQ(server().command({"LLEN", key_of("t", "ready:normal")}).num(), 1);
}

TEST_F(QueueClaims, AWakeUpThatComesAfterAStopBeganIsPassedOnAtOnce) {
  MQConfig patient = alone();
  patient.shutdown_timeout = 30s;  // of which the end of claims gets a part
  RedisMessageQueue queue(patient);
  queue.register_handler("t", nothing);
  start_idle(queue);
  const std::string self = idle_one();
  hold_claims();
  const std::size_t before = claims();
  wake(self);  // leads to a claim that finds nothing
  ASSERT_TRUE(wait_for(patience, [&] { return claims() > before && is_idle(); }));
  std::thread stopping([&] { stop(queue); });
  EXPECT_TRUE(wait_for(patience, [&] { return listed("-inf", "+inf") == 0; }))
      << "who stops is not idle";
  add_another();
  wake(self);  // by somebody who had found it listed
  EXPECT_EQ(another_is_told(), "w1");
  let_go();
  stopping.join();
}

TEST_F(QueueClaims, AClaimThatIsNotAnsweredBeforeTheStopHandsOnTheAlarm) {
  RedisMessageQueue queue(alone());
  queue.register_handler("t", nothing);
  start_idle(queue);
  add_another();
  hold_claims();
  const std::size_t before = claims();
  RedisMessageQueue producer(config());
  produce(producer, "t", 1, ProduceOptions().delay(1h));
  ASSERT_TRUE(wait_for(patience, [&] { return claims() > before; }));
  ASSERT_TRUE(wait_for(patience, [&] { return stat(server(), "t", "alarm") > 0; }))
      << "the alarm was given to it, in a reply that it has not got";
  stop(queue);
  EXPECT_EQ(another_is_told(), "w0");
  EXPECT_EQ(stat(server(), "t", "alarm"), 0) << "or nobody would look when the message falls due";
  let_go();
}

// What was listed may be lost with the connection, or the server.
TEST_F(QueueClaims, AfterANewConnectionTheConsumerIsListedAgain) {
  RedisMessageQueue queue(alone());
  queue.register_handler("t", nothing);
  start_idle(queue);
  for (const char* kind : {"pubsub", "normal"}) {
    server().command({"DEL", key_of("t", "idle")});
    ASSERT_GT(server().command({"CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes"}).num(), 0);
    another_ = server().connect();
    EXPECT_TRUE(wait_for(patience, [&] { return is_idle(); })) << kind;
  }
  RedisMessageQueue producer(config());
  produce(producer, "t", 1);
  EXPECT_TRUE(wait_drained(server(), "t"));
  stop(queue);
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
