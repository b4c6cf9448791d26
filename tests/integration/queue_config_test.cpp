// Each field of MQConfig does what its name says: those of workers and messages.
#include <atomic>
#include <thread>

#include "support/queue_fixture.hpp"

namespace mx_rmq::test {
namespace {

class QueueConfig : public QueueTest {
 protected:
  static void produce_many(RedisMessageQueue& queue, int count, const json& payload = 1) {
    std::vector<OutgoingMessage> messages(static_cast<std::size_t>(count),
                                          OutgoingMessage("t", payload));
    sync_wait(queue.produce_batch(std::move(messages)));
  }
  static bool reaches(const char* name, std::int64_t count) {
    return wait_for(patience, [&] { return stat(server(), "t", name) == count; });
  }
};

using Count = std::shared_ptr<std::atomic<int>>;
using Flag = std::shared_ptr<std::atomic<bool>>;

// Counts those that run, and runs until told.
auto held(Count running, Flag go) {
  return [running, go](const json&) -> Task<> {
    ++*running;
    while (!*go) co_await sleep_for(5ms);
  };
}

TEST_F(QueueConfig, MaxWorkersBoundsConcurrencyAndTaskQueueSizeThePrefetch) {
  MQConfig small = config();
  small.max_workers = 3;
  small.task_queue_size = 4;
  const auto running = std::make_shared<std::atomic<int>>(0);
  const auto go = std::make_shared<std::atomic<bool>>(false);
  RedisMessageQueue queue(small);
  queue.register_handler("t", held(running, go));
  produce_many(queue, 20);
  start(queue);
  ASSERT_TRUE(wait_for(patience, [&] { return audit(server(), "t")["processing"] == 7; }));
  ASSERT_TRUE(wait_for(patience, [&] { return queue.status().local_queue_size == 4; }));
  // Several sweeps later still so.
  const auto later = WaitClock::now() + 600ms;
  ASSERT_TRUE(wait_for(patience, [&] { return WaitClock::now() > later; }));
  EXPECT_EQ(*running, 3);
  EXPECT_EQ(audit(server(), "t")["processing"], 7);
  *go = true;
  EXPECT_TRUE(reaches("completed", 20));
}

TEST_F(QueueConfig, BlockingThreadsBoundsBlockingHandlersAtLeastToThat) {
  MQConfig threads = config();
  threads.max_workers = 8;
  threads.blocking_threads = 6;
  const auto running = std::make_shared<std::atomic<int>>(0);
  const auto go = std::make_shared<std::atomic<bool>>(false);
  RedisMessageQueue queue(threads, std::make_shared<Runtime>());
  queue.register_handler("t", [running, go](const json&) {
    ++*running;
    while (!*go) std::this_thread::sleep_for(1ms);
  });
  produce_many(queue, 8);
  start(queue);
  EXPECT_TRUE(wait_for(patience, [&] { return *running >= 6; }));
  *go = true;
  EXPECT_TRUE(reaches("completed", 8));
}

TEST_F(QueueConfig, ClaimBytesBoundsWhatOneClaimTakes) {
  MQConfig few = config();
  few.claim_bytes = 1000;
  few.max_workers = 20;
  RedisMessageQueue queue(few);
  queue.register_handler("t", [](const json&) -> Task<> { co_return; });
  produce_many(queue, 20, std::string(900, 'x'));
  server().command({"CONFIG", "SET", "slowlog-max-len", "100000"});
  server().command({"CONFIG", "SET", "slowlog-log-slower-than", "0"});
  start(queue);
  ASSERT_TRUE(reaches("completed", 20));
  // One message a claim: at least twenty claims.
  const std::string sha(lua::claim.sha1);
  server().command({"CONFIG", "SET", "slowlog-log-slower-than", "-1"});
  int claims = 0;
  const Value entries = server().command({"SLOWLOG", "GET", "-1"});
  for (const Value& entry : entries.list()) {
    const auto& command = entry[3].list();
    if (command.size() > 1 && command[1].str() == sha) ++claims;
  }
  server().command({"SLOWLOG", "RESET"});
  EXPECT_GE(claims, 20);
}

TEST_F(QueueConfig, MessageTtlIsTheDefaultAndProcessingTimeoutTheDeadline) {
  MQConfig times = config();
  times.message_ttl = 100s;
  times.processing_timeout = 50s;
  times.max_retries = 6;
  const auto ttl = std::make_shared<std::atomic<std::int64_t>>(0);
  const auto left = std::make_shared<std::atomic<std::int64_t>>(0);
  const auto attempts = std::make_shared<std::atomic<int>>(0);
  RedisMessageQueue queue(times);
  queue.register_handler("t", [ttl, left, attempts](Context& context) -> Task<> {
    *ttl = context.message().meta.expire_at - context.message().created_at;
    const auto rest = context.deadline() - std::chrono::steady_clock::now();
    *left = std::chrono::duration_cast<std::chrono::seconds>(rest).count();
    *attempts = context.max_attempts();
    co_return;
  });
  start(queue);
  produce(queue, "t", 1);
  ASSERT_TRUE(reaches("completed", 1));
  EXPECT_EQ(*ttl, 100'000);
  EXPECT_GE(*left, 20);
  EXPECT_LE(*left, 50);
  EXPECT_EQ(*attempts, 7);
}

TEST_F(QueueConfig, DeadLettersCanBeSwitchedOffCappedOrLeaveOutTheExpired) {
  const auto reject = [](const json&) -> Task<> {
    throw Reject("no");
    co_return;
  };
  {
    MQConfig off = config();
    off.enable_dead_letter = false;
    RedisMessageQueue queue(off);
    queue.register_handler("t", reject);
    start(queue);
    produce_many(queue, 3);
    produce(queue, "t", 1, ProduceOptions{}.ttl(1ms).delay(1ms));
    ASSERT_TRUE(wait_drained(server(), "t"));
    EXPECT_EQ(sync_wait(queue.dead_letters().count("t")), 0);
    EXPECT_EQ(sync_wait(queue.metrics().collect({"t"})).topics.at("t").counters.dropped, 4);
    EXPECT_TRUE(sound(audit(server(), "t")));
  }
  server().command({"FLUSHALL"});
  {
    MQConfig capped = config();
    capped.max_dead_letters = 3;
    capped.dead_letter_expired = false;
    RedisMessageQueue queue(capped);
    queue.register_handler("t", reject);
    start(queue);
    Strings ids;
    for (int i = 0; i < 6; ++i) {
      ids.push_back(produce(queue, "t", i));
      ASSERT_TRUE(reaches("dead", i + 1));
    }
    const auto letters = sync_wait(queue.dead_letters().list("t"));
    ASSERT_EQ(letters.size(), 3u) << "the oldest are dropped";
    EXPECT_EQ(letters[0].message.id, ids[5]);
    EXPECT_EQ(letters[2].message.id, ids[3]);
    EXPECT_EQ(stat(server(), "t", "dropped"), 3);
    stop(queue);
    produce(queue, "t", 1, ProduceOptions{}.ttl(1ms));
    sync_wait(sleep_for(10ms));  // a start and a claim may take less than its time to live
    start(queue);
    ASSERT_TRUE(reaches("expired", 1));
    EXPECT_EQ(stat(server(), "t", "dead"), 6);
    EXPECT_TRUE(sound(audit(server(), "t")));
  }
}

TEST_F(QueueConfig, ExpiredCheckIntervalFindsWhatExpiresInListsNobodyTakesFrom) {
  MQConfig one = config();
  one.max_workers = 1;
  one.task_queue_size = 1;
  const auto running = std::make_shared<std::atomic<int>>(0);
  const auto go = std::make_shared<std::atomic<bool>>(false);
  RedisMessageQueue queue(one);
  queue.register_handler("t", held(running, go));
  start(queue);
  produce_many(queue, 2);  // one runs, one is prefetched
  ASSERT_TRUE(wait_for(patience, [&] { return *running == 1; }));
  produce(queue, "t", 1, ProduceOptions{}.ttl(10ms));
  EXPECT_TRUE(reaches("expired", 1)) << "by the sweep, while the only worker is busy";
  *go = true;
}

TEST_F(QueueConfig, MaxErrorBytesCutsWhatIsStored) {
  MQConfig brief = config();
  brief.max_error_bytes = 64;
  RedisMessageQueue queue(brief);
  queue.register_handler("t", [](const json& payload) -> Task<> {
    throw Reject(std::string(10'000, static_cast<char>(payload.get<int>())));
    co_return;
  });
  start(queue);
  // Bytes that are no UTF-8 and controls take more room as they are stored.
  const std::vector<int> bytes{'e', 0xFF, 1, '\n', '"'};
  for (const int byte : bytes) produce(queue, "t", byte);
  ASSERT_TRUE(reaches("dead", static_cast<std::int64_t>(bytes.size())));
  const auto letters = sync_wait(queue.dead_letters().list("t"));
  ASSERT_EQ(letters.size(), bytes.size());
  for (const DeadLetter& letter : letters) {
    EXPECT_LE(letter.last_error.size(), 64U) << letter.message.payload;
    EXPECT_GE(letter.last_error.size(), 10U) << letter.message.payload;
    const std::string stored =
        server().command({"HGET", key_of("t", "dlq:data"), letter.message.id}).str();
    const std::string error = stored.substr(0, stored.find("\",["));
    EXPECT_LE(error.size(), std::string_view("rejected\t[\"").size() + 64) << error;
  }
}

TEST_F(QueueConfig, RetryDelaysThatDoNotFitIntoTheTimeToLiveAreAWarning) {
  std::mutex mutex;
  Strings lines;
  set_log_sink([&](LogLevel level, std::string_view line) {
    const std::lock_guard lock(mutex);
    if (level == LogLevel::warn && line.find("message_ttl") != std::string_view::npos)
      lines.emplace_back(line);
  });
  MQConfig brief = config();
  brief.message_ttl = 2s;
  RedisMessageQueue queue(brief);
  const auto handler = [](const json&) -> Task<> { co_return; };
  queue.register_handler("fits", handler);
  queue.register_handler("late", handler, HandlerOptions{}.retry_delays({500ms, 1500ms}));
  queue.register_handler("none", handler, HandlerOptions{}.max_retries(0).retry_delays({1h}));
  set_log_sink({});
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_NE(lines[0].find("topic=late retry=2"), std::string::npos) << lines[0];
}

TEST_F(QueueConfig, MaxPendingProducesBoundsAllTopicsTogetherAndEndsInOverloaded) {
  RedisServer paused;
  MQConfig few = quick_config(paused.url());
  few.max_pending_produces = 5;
  few.produce_timeout = 5s;
  RedisMessageQueue queue(few);
  produce(queue, "t", 0);
  paused.pause();
  std::vector<std::jthread> threads;
  std::atomic<int> overloaded{0};
  for (int i = 0; i < 12; ++i) {
    threads.emplace_back([&queue, &overloaded, topic = i % 2 == 0 ? "t" : "u"] {
      try {
        produce(queue, topic, 1);
      } catch (const Overloaded&) {
        ++overloaded;
      } catch (const Error&) {
        // Redis does not answer.
      }
    });
  }
  EXPECT_TRUE(wait_for(patience, [&] { return overloaded >= 7; }));
  paused.resume();
  threads.clear();
  EXPECT_EQ(overloaded, 7);
}

TEST_F(QueueConfig, WithTheDefaultsWhatWaitsIsHandledAtOnceAndNotAtTheFirstSweep) {
  MQConfig defaults;
  TestRedis::get().lead(defaults);
  RedisMessageQueue queue(defaults);
  queue.register_handler("t", [](const json&) -> Task<> { co_return; });
  produce(queue, "t", 1);
  const auto began = WaitClock::now();
  start(queue);
  ASSERT_TRUE(reaches("completed", 1));
  produce(queue, "t", 2);
  ASSERT_TRUE(reaches("completed", 2));
  EXPECT_LT(WaitClock::now() - began, 4s) << "the first sweep comes after 5 to 10 s";
}

// Long: the only test that has to watch for a time.
TEST_F(QueueConfig, AnIdleWorkerSendsAtMostOneCommandInFiveSeconds) {
  if (TestRedis::kind().starts_with("sentinel")) {
    GTEST_SKIP() << "Sentinels send the same commands";
  }
  MQConfig defaults;
  TestRedis::get().lead(defaults);
  RedisMessageQueue queue(defaults);
  queue.register_handler("t", [](const json&) -> Task<> { co_return; });
  start(queue);
  produce(queue, "t", 1);
  ASSERT_TRUE(reaches("completed", 1));
  const auto processed = [&] {
    const std::string info = server().command({"INFO", "commandstats"}).str();
    long calls = 0;
    // What a client sends; the others are counted when scripts call them, too.
    for (const char* name :
         {"evalsha", "script|load", "publish", "spublish", "ping", "subscribe"}) {
      const std::string key = std::string("cmdstat_") + name + ":calls=";
      for (auto at = info.find(key); at != std::string::npos; at = info.find(key, at + 1)) {
        calls += std::stol(info.substr(at + key.size()));
      }
    }
    return calls;
  };
  // What follows the one message is over when nothing is held for a while.
  const auto settled = WaitClock::now() + 2s;
  ASSERT_TRUE(wait_for(patience, [&] { return WaitClock::now() > settled; }));
  const long before = processed();
  const auto began = WaitClock::now();
  wait_until(
      began + 20s, [] { return false; }, 100ms);
  EXPECT_LE(processed() - before, 4);
}

}  // namespace
}  // namespace mx_rmq::test
