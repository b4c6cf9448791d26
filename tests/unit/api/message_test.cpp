#include "mx_rmq/message.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace mx_rmq {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

static_assert(!std::is_aggregate_v<Message> && !std::is_aggregate_v<MessageMeta>);
static_assert(!std::is_aggregate_v<ProduceOptions> && !std::is_aggregate_v<OutgoingMessage>);

Message sample() {
  Message message;
  message.id = std::string("id\0ж", 5);
  message.topic = "orders";
  message.headers = {{"tenant", "7"}, {"text", "a\tb"}};
  message.payload = json::parse(R"({"n":18446744073709551615,"empty":[],"s":"a\u0000b"})");
  message.priority = MessagePriority::high;
  message.created_at = 1'700'000'000'123;
  MessageMeta& meta = message.meta;
  meta.status = MessageStatus::dead_letter;
  meta.delay = 1500ms;
  meta.retry_count = 2;
  meta.max_retries = 5;
  meta.retry_delays = {60s, 5min};
  meta.last_error = "boom \"quoted\"\n";
  meta.expire_at = 1'700'086'400'123;
  meta.created_at = 1'700'000'000'123;
  meta.updated_at = 1'700'000'100'000;
  meta.last_retry_at = 1'700'000'090'000;
  meta.processing_started_at = 1'700'000'080'000;
  meta.dead_letter_at = 1'700'000'100'000;
  meta.retried_from_dlq_at = 1'700'000'050'000;
  meta.recoveries = 1;
  meta.interruptions = 4;
  meta.attempt_times = {1'700'000'010'000, 1'700'000'080'000};
  return message;
}

template <class F>
std::string refusal(F action) {
  try {
    action();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "accepted";
}

TEST(Durations, AreRoundedUpToWholeMillisecondsAndStayInRange) {
  using namespace std::chrono_literals;
  using std::chrono::milliseconds;
  using Seconds = std::chrono::duration<double>;
  const auto ms = [](auto duration) { return detail::rounded_up<milliseconds>(duration); };
  EXPECT_EQ(ms(1.5s), 1500ms);
  EXPECT_EQ(ms(0.0s), 0ms);
  EXPECT_EQ(ms(0.0005s), 1ms);
  EXPECT_EQ(ms(1ns), 1ms);
  EXPECT_EQ(ms(1'000'000ns), 1ms);
  EXPECT_EQ(ms(1'000'001ns), 2ms);
  EXPECT_EQ(ms(-1ns), -1ms);
  EXPECT_EQ(ms(-0.25ms), -1ms);
  for (int tenths = 0; tenths < 1000; ++tenths) {
    EXPECT_EQ(ms(Seconds(tenths / 10.0)), milliseconds(tenths * 100)) << tenths;
    EXPECT_EQ(ms(std::chrono::duration<float>(static_cast<float>(tenths) / 10)),
              milliseconds(tenths * 100))
        << tenths;
  }
  const double infinite = std::numeric_limits<double>::infinity();
  EXPECT_EQ(ms(Seconds(infinite)), milliseconds::max());
  EXPECT_EQ(ms(Seconds(-infinite)), milliseconds::min());
  EXPECT_EQ(ms(Seconds(std::numeric_limits<double>::quiet_NaN())), milliseconds::min());
  EXPECT_EQ(ms(Seconds(1e300)), milliseconds::max());
  EXPECT_EQ(ProduceOptions{}.delay(1.5s).delay(), 1500ms);
  EXPECT_EQ(ProduceOptions{}.ttl(250us).ttl(), 1ms);
  EXPECT_EQ(ProduceOptions{}.delay(2h).delay(), 2h);
}

TEST(Priority, NamesAndBack) {
  for (const auto& [value, name] :
       {std::pair(MessagePriority::low, "low"), std::pair(MessagePriority::normal, "normal"),
        std::pair(MessagePriority::high, "high")}) {
    EXPECT_EQ(to_string(value), name);
    EXPECT_EQ(message_priority_from_string(name), value);
    EXPECT_EQ(json(value), json(name));
    EXPECT_EQ(json(name).get<MessagePriority>(), value);
  }
  EXPECT_EQ(refusal([] { (void)message_priority_from_string("HIGH"); }),
            "priority: \"HIGH\" is none of low, normal, high");
  EXPECT_EQ(refusal([] { (void)json(1).get<MessagePriority>(); }), "priority: it is no string");
}

TEST(Status, NamesAndBack) {
  const std::pair<MessageStatus, const char*> all[] = {
      {MessageStatus::pending, "pending"},       {MessageStatus::delayed, "delayed"},
      {MessageStatus::processing, "processing"}, {MessageStatus::retrying, "retrying"},
      {MessageStatus::completed, "completed"},   {MessageStatus::dead_letter, "dead_letter"}};
  for (const auto& [value, name] : all) {
    EXPECT_EQ(to_string(value), name);
    EXPECT_EQ(message_status_from_string(name), value);
    EXPECT_EQ(json(value), json(name));
    EXPECT_EQ(json(name).get<MessageStatus>(), value);
  }
  EXPECT_TRUE(
      refusal([] { (void)message_status_from_string("dead"); }).starts_with("status: \"dead\""));
}

TEST(MessageJson, EveryMemberSurvives) {
  const Message message = sample();
  const json text = json::parse(json(message).dump());
  EXPECT_EQ(text.get<Message>(), message);
  const Message fresh;
  EXPECT_EQ(json(fresh).get<Message>(), fresh);
}

TEST(MessageJson, HasTheNamesOfTheOriginalInSnakeCaseAndMilliseconds) {
  const json text = sample();
  for (const char* name :
       {"id", "version", "topic", "payload", "headers", "priority", "created_at", "meta"})
    EXPECT_TRUE(text.contains(name)) << name;
  const json& meta = text["meta"];
  for (const char* name :
       {"status", "delay", "retry_count", "max_retries", "retry_delays", "last_error", "expire_at",
        "created_at", "updated_at", "last_retry_at", "processing_started_at", "dead_letter_at",
        "retried_from_dlq_at", "recoveries", "interruptions", "attempt_times"})
    EXPECT_TRUE(meta.contains(name)) << name;
  EXPECT_EQ(meta["delay"], 1500);
  EXPECT_EQ(meta["retry_delays"], json({60000, 300000}));
  EXPECT_EQ(json(Message())["meta"]["dead_letter_at"], nullptr);
  EXPECT_EQ(text["version"], "1.0");
}

TEST(MessageJson, MetaMayBeAbsentAndUnknownMembersAreIgnored) {
  const json text = json::parse(R"({"id":"1","version":"1.0","topic":"t","payload":[],
      "priority":"low","created_at":5,"later":"addition"})");
  const Message message = text.get<Message>();
  EXPECT_EQ(message.priority, MessagePriority::low);
  EXPECT_EQ(message.payload, json::array());
  EXPECT_EQ(message.meta, MessageMeta());
}

TEST(MessageJson, EachFaultIsNamedByItsMember) {
  const json good = sample();
  const auto broken = [&](const std::string& path, const json& value) {
    json text = good;
    text[json::json_pointer(path)] = value;
    return refusal([&] { (void)text.get<Message>(); });
  };
  EXPECT_EQ(broken("/id", 5), "id: it is no string");
  EXPECT_EQ(broken("/priority", "urgent"), "priority: \"urgent\" is none of low, normal, high");
  EXPECT_EQ(broken("/created_at", 1.5), "created_at: it is no integer");
  EXPECT_EQ(broken("/created_at", -1),
            "created_at: -1 is out of the range 0 to 9223372036854775807");
  EXPECT_EQ(broken("/created_at", std::numeric_limits<std::uint64_t>::max()),
            "created_at: 18446744073709551615 is out of the range 0 to 9223372036854775807");
  EXPECT_EQ(broken("/meta", 1), "meta: it is no JSON object");
  EXPECT_TRUE(broken("/meta/status", "x").starts_with("meta.status: \"x\" is none of"));
  EXPECT_EQ(broken("/meta/retry_count", 1LL << 40),
            "meta.retry_count: 1099511627776 is out of the range 0 to 2147483647");
  EXPECT_EQ(broken("/meta/retry_delays", "60"), "meta.retry_delays: it is no array");
  EXPECT_EQ(broken("/meta/retry_delays", {1, "2"}), "meta.retry_delays: it is no integer");
  EXPECT_EQ(broken("/meta/last_error", 7), "meta.last_error: it is no string");
  EXPECT_EQ(broken("/meta/dead_letter_at", "now"), "meta.dead_letter_at: it is no integer");
  EXPECT_EQ(broken("/meta/max_retries", -1), "accepted") << "not known";
  EXPECT_EQ(broken("/meta/max_retries", -2),
            "meta.max_retries: -2 is out of the range -1 to 2147483647");
  for (const char* name : {"id", "version", "topic", "payload", "priority", "created_at"}) {
    json text = good;
    text.erase(name);
    EXPECT_EQ(refusal([&] { (void)text.get<Message>(); }), std::string(name) + ": it is missing");
  }
  EXPECT_EQ(refusal([] { (void)json(3).get<Message>(); }), "message: it is no JSON object");
}

TEST(ProduceOptionsType, ChainsAndTellsWhatWasSet) {
  const auto due = std::chrono::system_clock::now();
  const ProduceOptions none;
  EXPECT_FALSE(none.delay() || none.at() || none.priority() || none.ttl() || none.message_id());
  const ProduceOptions all =
      ProduceOptions{}.delay(5min).at(due).priority(MessagePriority::low).ttl(1h).message_id("a");
  EXPECT_EQ(all.delay(), 5min);
  EXPECT_EQ(all.at(), due);
  EXPECT_EQ(all.priority(), MessagePriority::low);
  EXPECT_EQ(all.ttl(), 1h);
  EXPECT_EQ(all.message_id(), "a");
}

TEST(OutgoingMessageType, KeepsItsParts) {
  const OutgoingMessage message("orders", {{"n", 1}}, ProduceOptions{}.delay(1s));
  EXPECT_EQ(message.topic, "orders");
  EXPECT_EQ(message.payload["n"], 1);
  EXPECT_EQ(message.options.delay(), 1s);
}

}  // namespace
}  // namespace mx_rmq
