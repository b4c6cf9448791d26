// Handlers as DESIGN's public contract has them: kinds, arguments, outcomes, options.
#include <atomic>
#include <set>
#include <string>

#include "support/queue_fixture.hpp"

namespace mx_rmq::test {

struct Order {
  std::int64_t number = 0;
  std::string item;
};
void from_json(const nlohmann::json& json, Order& order) {
  json.at("number").get_to(order.number);
  json.at("item").get_to(order.item);
}

namespace {

class QueueHandler : public QueueTest {
 protected:
  // Waits until the topic has that many outcomes of that name.
  static bool reaches(const std::string& name, std::int64_t count, const std::string& topic = "t") {
    return wait_for(patience, [&] { return stat(server(), topic, name) == count; });
  }
};

// As a function, not a lambda: its address is a handler, too.
std::atomic<int> function_runs{0};
Task<> function_handler(const json&) {
  ++function_runs;
  co_return;
}

TEST_F(QueueHandler, EveryFormOfArgumentsOfBothKindsIsCalled) {
  const auto seen = std::make_shared<Journal>();
  const auto typed = std::make_shared<std::atomic<int>>(0);
  RedisMessageQueue queue(config());
  queue.register_handler("c1", [seen](Context& context) -> Task<> {
    seen->add(context);
    co_return;
  });
  queue.register_handler("c2", [seen](const json& payload, Context& context) -> Task<> {
    if (payload == context.message().payload) seen->add(context);
    co_return;
  });
  queue.register_handler("c3", function_handler);
  queue.register_handler("b1", [seen](Context& context) { seen->add(context); });
  queue.register_handler("b2", [seen](const json& payload, Context& context) {
    if (payload == context.message().payload) seen->add(context);
  });
  queue.register_handler("b3", [typed](const json& payload) {
    if (payload["item"] == "cup") ++*typed;
  });
  queue.register_handler<Order>("t1", [typed](Order order) -> Task<> {
    if (order.number == 7 && order.item == "cup") ++*typed;
    co_return;
  });
  queue.register_handler<Order>("t2", [typed, seen](Order order, Context& context) {
    if (order.number == 7) ++*typed;
    seen->add(context);
  });
  start(queue);
  const json payload{{"number", 7}, {"item", "cup"}};
  for (const char* topic : {"c1", "c2", "c3", "b1", "b2", "b3", "t1", "t2"}) {
    produce(queue, topic, payload);
    ASSERT_TRUE(reaches("completed", 1, topic)) << topic;
  }
  EXPECT_EQ(seen->size(), 5u);
  EXPECT_EQ(*typed, 3);
  EXPECT_EQ(function_runs, 1);
}

TEST_F(QueueHandler, ASecondHandlerOfATopicIsAnInvalidArgumentAndTheFirstStays) {
  RedisMessageQueue queue(config());
  const auto journal = std::make_shared<Journal>();
  queue.register_handler("t", recorder(journal));
  EXPECT_THROW(queue.register_handler("t", [](const json&) {}), std::invalid_argument);
  start(queue);
  EXPECT_THROW(queue.register_handler("t", [](const json&) {}), std::invalid_argument);
  produce(queue, "t", 1);
  EXPECT_TRUE(journal->wait_size(1));
}

TEST_F(QueueHandler, WhateverIsThrownIsARetryThenADeadLetterWithItsText) {
  MQConfig quick = config();
  quick.max_retries = 1;
  RedisMessageQueue queue(quick);
  const auto runs = std::make_shared<std::atomic<int>>(0);
  queue.register_handler("t", [runs](const json& payload) -> Task<> {
    ++*runs;
    if (payload == "int") throw 42;
    if (payload == "text") throw "plain text";
    if (payload == "std") throw std::logic_error("a logic error");
    co_return;
  });
  queue.register_handler("blocking", [](const json& payload) {
    if (payload == "int") throw 42;
    throw std::runtime_error("from a thread");
  });
  start(queue);
  for (const char* what : {"int", "text", "std"}) produce(queue, "t", what);
  for (const char* what : {"int", "std"}) produce(queue, "blocking", what);
  ASSERT_TRUE(reaches("dead", 3));
  ASSERT_TRUE(reaches("dead", 2, "blocking"));
  EXPECT_EQ(*runs, 6);
  std::set<std::string> errors;
  for (const char* topic : {"t", "blocking"}) {
    for (const auto& letter : sync_wait(queue.dead_letters().list(topic))) {
      EXPECT_EQ(letter.reason, "retries");
      EXPECT_FALSE(letter.last_error.empty());
      errors.insert(letter.last_error);
    }
  }
  EXPECT_TRUE(errors.contains("a logic error"));
  EXPECT_TRUE(errors.contains("from a thread"));
}

TEST_F(QueueHandler, RejectIsADeadLetterAtOnceAndRetryAfterSetsTheDelay) {
  MQConfig slow = config();
  slow.retry_delays = {1h};
  const auto journal = std::make_shared<Journal>();
  RedisMessageQueue queue(slow);
  queue.register_handler("t", [journal](const json& payload, Context& context) -> Task<> {
    journal->add(context);
    if (payload == "reject") throw Reject("never");
    if (context.attempt() == 1) throw RetryAfter(50ms, "soon");
    co_return;
  });
  start(queue);
  const std::string bad = produce(queue, "t", "reject");
  const std::string late = produce(queue, "t", "late");
  ASSERT_TRUE(reaches("completed", 1));
  ASSERT_TRUE(reaches("dead", 1));
  EXPECT_EQ(journal->count(bad), 1u);
  EXPECT_EQ(journal->count(late), 2u);
  const auto letter = sync_wait(queue.dead_letters().get("t", bad));
  ASSERT_TRUE(letter.has_value());
  EXPECT_EQ(letter->reason, "rejected");
  EXPECT_EQ(letter->last_error, "never");
}

TEST_F(QueueHandler, RetryAfterEndsAfterTheRetriesToo) {
  RedisMessageQueue queue(config());
  const auto runs = std::make_shared<std::atomic<int>>(0);
  queue.register_handler(
      "t",
      [runs](const json&) -> Task<> {
        ++*runs;
        throw RetryAfter(1ms);
        co_return;
      },
      HandlerOptions{}.max_retries(2));
  start(queue);
  produce(queue, "t", 1);
  ASSERT_TRUE(reaches("dead", 1));
  EXPECT_EQ(*runs, 3);
}

TEST_F(QueueHandler, ARetryPolicySaysWhenAndWhatIsTriedAgain) {
  MQConfig slow = config();
  slow.max_retries = 50;
  slow.retry_delays = {1h};
  slow.retry_policy = RetryPolicy::exponential(20ms).maximum(50ms).never<std::invalid_argument>();
  const auto journal = std::make_shared<Journal>();
  RedisMessageQueue queue(slow);
  queue.register_handler("t", [journal](const json& payload, Context& context) -> Task<> {
    journal->add(context);
    if (payload == "bad") throw std::invalid_argument("no such thing");
    if (context.attempt() < 5) throw std::runtime_error("not yet");
    co_return;
  });
  queue.register_handler(
      "bounded", [](const json&) { throw std::runtime_error("always"); },
      HandlerOptions{}.retry_policy(RetryPolicy::fixed(50ms).retry_for(0.3s)));
  start(queue);
  produce(queue, "bounded", 1);
  const std::string bad = produce(queue, "t", "bad");
  const std::string good = produce(queue, "t", "good");
  ASSERT_TRUE(reaches("completed", 1));
  ASSERT_TRUE(reaches("dead", 1));
  ASSERT_TRUE(reaches("dead", 1, "bounded"));
  EXPECT_EQ(journal->count(bad), 1u);
  std::vector<WaitClock::time_point> runs;
  for (const Handled& run : journal->runs())
    if (run.id == good) runs.push_back(run.at);
  ASSERT_EQ(runs.size(), 5u);
  const std::chrono::milliseconds pauses[] = {20ms, 40ms, 50ms, 50ms};
  for (std::size_t i = 0; i < 4; ++i) EXPECT_GE(runs[i + 1] - runs[i], pauses[i] - 5ms) << i;
  const auto letter = sync_wait(queue.dead_letters().get("t", bad));
  ASSERT_TRUE(letter.has_value());
  EXPECT_EQ(letter->reason, "rejected");
  EXPECT_EQ(letter->last_error,
            "no retry: an error of this type is never retried; the attempt ended with: no such "
            "thing");
  const auto over = sync_wait(queue.dead_letters().list("bounded")).at(0);
  EXPECT_EQ(over.reason, "retries");
  EXPECT_GT(over.message.meta.retry_count, 1);
  EXPECT_LT(over.message.meta.retry_count, 8);
  EXPECT_TRUE(over.last_error.starts_with("no retry: the time for retries is over"))
      << over.last_error;
}

TEST_F(QueueHandler, ARetryPolicysFunctionIsToldOfADeadlineToo) {
  MQConfig one = config();
  one.retry_delays = {1h};
  const auto errors = std::make_shared<std::atomic<int>>(0);
  one.retry_policy = RetryPolicy::from(
      [errors](const std::exception& error, int) -> std::optional<std::chrono::milliseconds> {
        if (dynamic_cast<const TimeoutError*>(&error) == nullptr) return std::nullopt;
        ++*errors;
        return 1ms;
      });
  RedisMessageQueue queue(one);
  queue.register_handler(
      "t",
      [](Context& context) -> Task<> {
        if (context.attempt() == 1) co_await sleep_for(500ms);
        throw std::runtime_error("in time");
      },
      HandlerOptions{}.timeout(20ms));
  start(queue);
  produce(queue, "t", 1);
  ASSERT_TRUE(reaches("dead", 1));
  EXPECT_EQ(*errors, 1);
  EXPECT_EQ(sync_wait(queue.dead_letters().list("t")).at(0).reason, "rejected");
}

TEST_F(QueueHandler, APayloadThatDoesNotDecodeIsADeadLetterAndOthersGoOn) {
  const auto numbers = std::make_shared<std::atomic<std::int64_t>>(0);
  RedisMessageQueue queue(config());
  queue.register_handler<Order>("t", [numbers](Order order) -> Task<> {
    *numbers += order.number;
    co_return;
  });
  start(queue);
  const std::string bad = produce(queue, "t", json{{"number", "seven"}});
  produce(queue, "t", json{{"number", 5}, {"item", "x"}});
  ASSERT_TRUE(reaches("dead", 1));
  ASSERT_TRUE(reaches("completed", 1));
  EXPECT_EQ(*numbers, 5);
  const auto letter = sync_wait(queue.dead_letters().get("t", bad));
  ASSERT_TRUE(letter.has_value());
  EXPECT_EQ(letter->reason, "decode");
  EXPECT_NE(letter->raw.find(R"({"number":"seven"})"), std::string::npos);
  EXPECT_EQ(stat(server(), "t", "retried"), 0);
}

TEST_F(QueueHandler, OptionsOverrideTheConfiguration) {
  MQConfig strict = config();
  strict.max_retries = 0;
  strict.retry_delays = {1h};
  strict.processing_timeout = 1h;
  const auto journal = std::make_shared<Journal>();
  const auto seconds = std::make_shared<std::atomic<std::int64_t>>(0);
  RedisMessageQueue queue(strict);
  queue.register_handler(
      "t",
      [journal, seconds](Context& context) -> Task<> {
        journal->add(context);
        const auto left = context.deadline() - std::chrono::steady_clock::now();
        *seconds = std::chrono::duration_cast<std::chrono::seconds>(left).count();
        if (context.max_attempts() != 3) throw Reject("wrong number of attempts");
        throw std::runtime_error("always");
        co_return;
      },
      HandlerOptions{}.timeout(100s).max_retries(2).retry_delays({1ms, 2ms}));
  start(queue);
  produce(queue, "t", 1);
  ASSERT_TRUE(reaches("dead", 1));
  EXPECT_EQ(journal->size(), 3u);
  EXPECT_GT(*seconds, 60);
  EXPECT_LE(*seconds, 100);
  EXPECT_EQ(sync_wait(queue.dead_letters().list("t")).at(0).reason, "retries");
}

TEST_F(QueueHandler, MaxConcurrencyBoundsOneHandlerAndLeavesRoomForOthers) {
  MQConfig wide = config();
  wide.max_workers = 6;
  wide.task_queue_size = 20;
  const auto now = std::make_shared<std::atomic<int>>(0);
  const auto most = std::make_shared<std::atomic<int>>(0);
  RedisMessageQueue queue(wide);
  queue.register_handler(
      "t",
      [now, most](const json&) -> Task<> {
        const int mine = ++*now;
        int before = *most;
        while (before < mine && !most->compare_exchange_weak(before, mine)) {
        }
        co_await sleep_for(10ms);
        --*now;
      },
      HandlerOptions{}.max_concurrency(2));
  std::vector<OutgoingMessage> messages(20, OutgoingMessage("t", 1));
  sync_wait(queue.produce_batch(std::move(messages)));
  start(queue);
  ASSERT_TRUE(reaches("completed", 20));
  EXPECT_EQ(*most, 2);
}

TEST_F(QueueHandler, ExtendMovesTheDeadline) {
  RedisMessageQueue queue(config());
  const auto moved = std::make_shared<std::atomic<bool>>(false);
  const auto body = [moved](Context& context) -> Task<> {
    const auto before = context.deadline();
    co_await context.extend(30s);
    *moved = context.deadline() > before + 10s;
    co_await sleep_for(600ms);
    if (context.stop_token().stop_requested()) throw Reject("told to stop all the same");
  };
  queue.register_handler("t", body, HandlerOptions{}.timeout(300ms));
  queue.register_handler(
      "blocking",
      [moved](Context& context) {
        sync_wait(context.extend(30s));
        std::this_thread::sleep_for(600ms);
        if (context.stop_token().stop_requested()) throw Reject("told to stop all the same");
      },
      HandlerOptions{}.timeout(300ms));
  start(queue);
  produce(queue, "t", 1);
  produce(queue, "blocking", 1);
  ASSERT_TRUE(reaches("completed", 1));
  ASSERT_TRUE(reaches("completed", 1, "blocking"));
  EXPECT_TRUE(*moved);
}

TEST_F(QueueHandler, RetryAfterBeyondTheTimeToLiveIsADeadLetterThatSaysSo) {
  RedisMessageQueue queue(config());
  queue.register_handler("t", [](const json&) -> Task<> {
    throw RetryAfter(2h, "the shop is closed");
    co_return;
  });
  start(queue);
  produce(queue, "t", 1, ProduceOptions{}.ttl(1h));
  ASSERT_TRUE(reaches("dead", 1));
  const auto letters = sync_wait(queue.dead_letters().list("t"));
  ASSERT_EQ(letters.size(), 1U);
  EXPECT_EQ(letters[0].reason, "expired");
  EXPECT_EQ(letters[0].last_error,
            "no retry: in 7200000 ms the message will have expired; the attempt ended with: the "
            "shop is closed");
  EXPECT_EQ(letters[0].message.meta.retry_count, 1);
}

TEST_F(QueueHandler, TheContextTellsTheMessageWhole) {
  const auto text = std::make_shared<std::string>();
  RedisMessageQueue queue(config());
  queue.register_handler("t", [text](Context& context) -> Task<> {
    const Message& message = context.message();
    if (context.attempt() == 1) throw std::runtime_error("first");
    *text = context.topic() + '|' + context.id() + '|' + message.topic + '|' +
            std::string(to_string(message.priority)) + '|' + std::to_string(context.attempt()) +
            '|' + std::to_string(context.max_attempts()) + '|' +
            message.meta.last_error.value_or("none") + '|' +
            std::to_string(message.meta.retry_count);
    if (message.created_at <= 0 || message.meta.expire_at <= message.created_at)
      throw Reject("times are missing");
    co_return;
  });
  start(queue);
  produce(queue, "t", 1, ProduceOptions{}.message_id("me").priority(MessagePriority::low));
  ASSERT_TRUE(reaches("completed", 1));
  EXPECT_EQ(*text, "t|me|t|low|2|4|first|1");
}

TEST_F(QueueHandler, ASecondHandlerForATopicAndANullOneAreRefused) {
  RedisMessageQueue queue(config());
  queue.register_handler("t", function_handler);
  EXPECT_THROW(queue.register_handler("t", function_handler), std::invalid_argument);
  EXPECT_THROW(queue.register_handler("u", std::function<void(const json&)>()),
               std::invalid_argument);
  EXPECT_THROW(queue.register_handler("bad topic", function_handler), std::invalid_argument);
  EXPECT_THROW(queue.register_handler("v", function_handler, HandlerOptions{}.timeout(0ms)),
               std::invalid_argument);
  EXPECT_THROW(queue.register_handler("v", function_handler, HandlerOptions{}.max_concurrency(0)),
               std::invalid_argument);
  EXPECT_EQ(queue.status().registered_topics, Strings{"t"});
}

}  // namespace
}  // namespace mx_rmq::test
