// Messages from the outside: payloads, ids, bad arguments, cancelling, dead letters.
#include <atomic>
#include <limits>
#include <set>

#include "support/queue_fixture.hpp"

namespace mx_rmq::test {
namespace {

class QueueMessages : public QueueTest {
 protected:
  // Makes that many dead letters, one after the other; their ids, oldest first.
  static Strings make_dead(RedisMessageQueue& queue, int count) {
    Strings ids;
    for (int i = 0; i < count; ++i) {
      ids.push_back(produce(queue, "t", i));
      const auto dead = i + 1;
      EXPECT_TRUE(wait_for(patience, [&] { return stat(server(), "t", "dead") == dead; }));
    }
    return ids;
  }
};

auto rejecting(std::shared_ptr<std::atomic<bool>> reject, std::shared_ptr<Journal> journal) {
  return [reject, journal](Context& context) -> Task<> {
    journal->add(context);
    if (*reject) throw Reject("as told");
    co_return;
  };
}

TEST_F(QueueMessages, PayloadsArriveAsTheyWereSent) {
  const std::vector<json> payloads{
      nullptr,
      true,
      json::array(),
      json::object(),
      json{{"a", json::array()}, {"o", json::object()}},
      std::numeric_limits<std::int64_t>::max(),
      std::numeric_limits<std::int64_t>::min(),
      std::numeric_limits<std::uint64_t>::max(),
      9007199254740993,
      0.1,
      -1e300,
      "",
      std::string("nul\0inside", 10),
      "tab\t newline\n quote\" backslash\\ \x01",
      "\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80",
      std::string((1 << 20) - 2, 'x'),
  };
  const auto journal = std::make_shared<Journal>();
  RedisMessageQueue queue(config());
  queue.register_handler("t", recorder(journal), HandlerOptions{}.max_concurrency(1));
  for (const auto& payload : payloads) produce(queue, "t", payload);
  start(queue);
  ASSERT_TRUE(journal->wait_size(payloads.size()));
  const auto got = journal->payloads();
  for (std::size_t i = 0; i < payloads.size(); ++i) {
    EXPECT_TRUE(got[i] == payloads[i]) << i;
    EXPECT_EQ(got[i].type(), payloads[i].is_number_integer() && !payloads[i].is_number_unsigned() &&
                                     payloads[i].get<std::int64_t>() >= 0
                                 ? json::value_t::number_unsigned
                                 : payloads[i].type())
        << i;
  }
}

TEST_F(QueueMessages, APointInTimeIsRoundedUpAndSoNeverEarly) {
  RedisMessageQueue queue(config());
  const auto whole =
      std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now() + 1h);
  const std::int64_t ms = whole.time_since_epoch().count();
  const std::pair<std::chrono::nanoseconds, std::int64_t> rows[] = {
      {0ns, ms}, {1ns, ms + 1}, {999'999ns, ms + 1}, {1'000'000ns, ms + 1}, {1'000'001ns, ms + 2}};
  for (const auto& [more, due] : rows) {
    server().command({"FLUSHALL"});
    produce(queue, "t", 1, ProduceOptions{}.at(whole + more));
    const Strings row =
        server().command({"ZRANGE", key_of("t", "delayed"), "0", "-1", "WITHSCORES"}).strings();
    ASSERT_EQ(row.size(), 2u);
    EXPECT_EQ(row[1], std::to_string(due)) << more.count();
  }
}

TEST_F(QueueMessages, BadArgumentsAreNamedAndNothingIsSent) {
  MQConfig small = config();
  small.max_payload_bytes = 100;
  RedisMessageQueue queue(small);
  sync_wait(queue.initialize());
  server().command({"CONFIG", "RESETSTAT"});
  json deep = 1;
  for (int i = 0; i < 101; ++i) deep = json::array({deep});
  const auto produced = [&](const std::string& topic, const json& payload,
                            const ProduceOptions& options) {
    return [&queue, topic, payload, options] {
      static_cast<void>(queue.produce(topic, payload, options));
    };
  };
  const ProduceOptions none;
  const auto soon = std::chrono::system_clock::now();
  const std::vector<std::pair<std::string, std::function<void()>>> bad{
      {"topic", produced("", 1, none)},
      {"topic", produced("a b", 1, none)},
      {"topic", produced("{t}", 1, none)},
      {"topic", produced(std::string(129, 't'), 1, none)},
      {"delay", produced("t", 1, ProduceOptions{}.delay(-1ms))},
      {"ttl", produced("t", 1, ProduceOptions{}.ttl(-1ms))},
      {"at", produced("t", 1, ProduceOptions{}.delay(1ms).at(soon))},
      {"message_id", produced("t", 1, ProduceOptions{}.message_id(""))},
      {"message_id", produced("t", 1, ProduceOptions{}.message_id(std::string(257, 'x')))},
      {"message_id", produced("t", 1, ProduceOptions{}.message_id("\xff"))},
      {"payload", produced("t", std::string(101, 'x'), none)},
      {"payload", produced("t", deep, none)},
      {"payload", produced("t", "\xc3", none)},
      {"payload", produced("t", std::numeric_limits<double>::quiet_NaN(), none)},
      {"topic", [&] { static_cast<void>(queue.cancel("a b", "x")); }},
      {"message_id", [&] { static_cast<void>(queue.cancel("t", "")); }},
      {"topic", [&] { static_cast<void>(queue.dead_letters().count("")); }},
      {"offset", [&] { static_cast<void>(queue.dead_letters().list("t", -1)); }},
      {"count", [&] { static_cast<void>(queue.dead_letters().list("t", 0, -1)); }},
      {"id", [&] { static_cast<void>(queue.dead_letters().get("t", "")); }},
      {"topic",
       [&] {
         static_cast<void>(queue.metrics().collect({"ok", ""}));
       }},
      {"topic",
       [&] {
         std::vector<OutgoingMessage> batch(2, OutgoingMessage("t", 1));
         batch[1].topic = "a b";
         static_cast<void>(queue.produce_batch(batch));
       }},
  };
  for (const auto& [name, call] : bad) {
    try {
      call();
      ADD_FAILURE() << "nothing was thrown for a bad " << name;
    } catch (const std::invalid_argument& e) {
      EXPECT_EQ(std::string(e.what()).substr(0, name.size()), name) << e.what();
    } catch (const std::exception& e) {
      ADD_FAILURE() << name << ": " << e.what();
    }
  }
  const std::string sent = server().command({"INFO", "commandstats"}).str();
  EXPECT_EQ(sent.find("cmdstat_eval"), std::string::npos) << sent;
  EXPECT_EQ(server().command({"DBSIZE"}).num(), 0);
}

TEST_F(QueueMessages, ABatchGivesItsIdsInOrderAndKeepsTheOrderOfATopic) {
  const auto journal = std::make_shared<Journal>();
  MQConfig one = config();
  one.max_workers = 1;
  RedisMessageQueue queue(one);
  std::vector<OutgoingMessage> messages;
  for (int i = 0; i < 50; ++i) messages.emplace_back(i % 2 == 0 ? "even" : "odd", i);
  messages.emplace_back("even", "chosen", ProduceOptions{}.message_id("mine"));
  const Strings ids = sync_wait(queue.produce_batch(std::move(messages)));
  ASSERT_EQ(ids.size(), 51u);
  EXPECT_EQ(ids.back(), "mine");
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), 51u);
  queue.register_handler("even", recorder(journal));
  start(queue);
  ASSERT_TRUE(journal->wait_size(26));
  const auto runs = journal->runs();
  for (std::size_t i = 0; i < 25; ++i) EXPECT_EQ(runs[i].id, ids[2 * i]);
  EXPECT_TRUE(sync_wait(queue.produce_batch({})).empty());
}

TEST_F(QueueMessages, AMessageProducedForATimeIsDueThen) {
  const auto journal = std::make_shared<Journal>();
  RedisMessageQueue queue(config());
  queue.register_handler("t", recorder(journal));
  start(queue);
  const auto at = std::chrono::system_clock::now() + 400ms;
  produce(queue, "t", "later", ProduceOptions{}.at(at));
  produce(queue, "t", "past", ProduceOptions{}.at(at - 1h));
  ASSERT_TRUE(journal->wait_size(1));
  EXPECT_EQ(journal->payloads()[0], "past");
  ASSERT_TRUE(journal->wait_size(2));
  EXPECT_GE(std::chrono::system_clock::now(), at - 5ms);
}

TEST_F(QueueMessages, CancelFindsDelayedAndDeeplyWaitingOnesAndNothingElse) {
  RedisMessageQueue queue(config());
  const std::string delayed = produce(queue, "t", 1, ProduceOptions{}.delay(1h));
  std::vector<OutgoingMessage> many(1200, OutgoingMessage("t", 2));
  const Strings ids = sync_wait(queue.produce_batch(std::move(many)));
  EXPECT_TRUE(sync_wait(queue.cancel("t", delayed)));
  EXPECT_FALSE(sync_wait(queue.cancel("t", delayed)));
  EXPECT_TRUE(sync_wait(queue.cancel("t", ids[0])));
  EXPECT_TRUE(sync_wait(queue.cancel("t", ids[600])));
  EXPECT_TRUE(sync_wait(queue.cancel("t", ids[1199])));
  EXPECT_FALSE(sync_wait(queue.cancel("t", "unknown")));
  EXPECT_FALSE(sync_wait(queue.cancel("other", ids[1])));
  EXPECT_EQ(stat(server(), "t", "cancelled"), 4);
  const auto journal = std::make_shared<Journal>();
  queue.register_handler("t", recorder(journal));
  start(queue);
  ASSERT_TRUE(wait_for(patience, [&] { return stat(server(), "t", "completed") == 1197; }));
  EXPECT_EQ(journal->size(), 1197u);
  for (const std::size_t i : {0u, 600u, 1199u}) EXPECT_EQ(journal->count(ids[i]), 0u);
  EXPECT_TRUE(sound(audit(server(), "t")));
}

TEST_F(QueueMessages, CancelOfAMessageInWorkIsFalseAndItRunsOn) {
  const auto journal = std::make_shared<Journal>();
  const auto go = std::make_shared<std::atomic<bool>>(false);
  RedisMessageQueue queue(config());
  queue.register_handler("t", [journal, go](Context& context) -> Task<> {
    journal->add(context);
    while (!*go) co_await sleep_for(5ms);
  });
  start(queue);
  const std::string id = produce(queue, "t", 1);
  ASSERT_TRUE(journal->wait_size(1));
  EXPECT_FALSE(sync_wait(queue.cancel("t", id)));
  *go = true;
  ASSERT_TRUE(wait_for(patience, [&] { return stat(server(), "t", "completed") == 1; }));
  EXPECT_FALSE(sync_wait(queue.cancel("t", id))) << "settled";
}

TEST_F(QueueMessages, DeadLettersAreListedNewestFirstGotRemovedAndPurged) {
  const auto reject = std::make_shared<std::atomic<bool>>(true);
  RedisMessageQueue queue(config());
  queue.register_handler("t", rejecting(reject, std::make_shared<Journal>()));
  start(queue);
  const Strings ids = make_dead(queue, 5);
  DeadLetterQueue letters = queue.dead_letters();
  EXPECT_EQ(sync_wait(letters.count("t")), 5);
  EXPECT_EQ(sync_wait(letters.count("unknown")), 0);
  const auto all = sync_wait(letters.list("t"));
  ASSERT_EQ(all.size(), 5u);
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(all[i].message.id, ids[4 - i]);
    EXPECT_EQ(all[i].message.payload, 4 - static_cast<int>(i));
    EXPECT_EQ(all[i].last_error, "as told");
    EXPECT_GT(all[i].dead_at, 0);
  }
  const auto page = sync_wait(letters.list("t", 1, 2));
  ASSERT_EQ(page.size(), 2u);
  EXPECT_EQ(page[0].message.id, ids[3]);
  EXPECT_TRUE(sync_wait(letters.get("t", ids[0])).has_value());
  EXPECT_FALSE(sync_wait(letters.get("t", "unknown")).has_value());
  EXPECT_TRUE(sync_wait(letters.remove("t", ids[0])));
  EXPECT_FALSE(sync_wait(letters.remove("t", ids[0])));
  EXPECT_EQ(sync_wait(letters.purge("t")), 4);
  EXPECT_EQ(sync_wait(letters.purge("t")), 0);
  EXPECT_EQ(stat(server(), "t", "removed"), 5);
  EXPECT_TRUE(sound(audit(server(), "t")));
}

TEST_F(QueueMessages, RequeuedDeadLettersBeginAnew) {
  MQConfig quick = config();
  quick.max_retries = 1;
  const auto reject = std::make_shared<std::atomic<bool>>(true);
  const auto journal = std::make_shared<Journal>();
  RedisMessageQueue queue(quick);
  queue.register_handler("t", [reject, journal](Context& context) -> Task<> {
    journal->add(context);
    if (*reject) throw std::runtime_error("not yet");
    co_return;
  });
  start(queue);
  const Strings ids = make_dead(queue, 3);
  EXPECT_EQ(journal->size(), 6u);
  DeadLetterQueue letters = queue.dead_letters();
  EXPECT_FALSE(sync_wait(letters.requeue("t", "unknown")));
  EXPECT_TRUE(sync_wait(letters.requeue("t", ids[1])));
  ASSERT_TRUE(wait_for(patience, [&] { return stat(server(), "t", "dead") == 4; }));
  EXPECT_EQ(journal->runs()[6].attempt, 1) << "attempts start anew";
  EXPECT_EQ(journal->runs()[7].attempt, 2);
  *reject = false;
  EXPECT_EQ(sync_wait(letters.requeue_all("t")), 3);
  ASSERT_TRUE(wait_for(patience, [&] { return stat(server(), "t", "completed") == 3; }));
  EXPECT_EQ(sync_wait(letters.count("t")), 0);
  EXPECT_EQ(sync_wait(letters.requeue_all("t")), 0);
  EXPECT_TRUE(sound(audit(server(), "t")));
}

TEST_F(QueueMessages, AHandlerAndADeadLetterSeeWhatHappenedAndWhen) {
  const auto runs =
      std::make_shared<std::vector<MessageMeta>>();  // the loop thread's until drained
  RedisMessageQueue queue(config());
  queue.register_handler(
      "t",
      [runs](Context& context) -> Task<> {
        runs->push_back(context.message().meta);
        co_await sleep_for(200ms);
        throw std::runtime_error("attempt " + std::to_string(context.attempt()));
      },
      HandlerOptions{}.max_retries(1).retry_delays({20ms, 40ms}));
  start(queue);
  const std::string id = produce(queue, "t", 1, ProduceOptions{}.delay(150ms));
  ASSERT_TRUE(wait_for(patience, [&] { return stat(server(), "t", "dead") == 1; }));
  const auto letter = sync_wait(queue.dead_letters().get("t", id));
  ASSERT_TRUE(letter.has_value());
  ASSERT_TRUE(sync_wait(queue.dead_letters().requeue("t", id)));
  ASSERT_TRUE(wait_for(patience, [&] { return stat(server(), "t", "dead") == 2; }));
  const auto again = sync_wait(queue.dead_letters().get("t", id));
  stop(queue);

  ASSERT_EQ(runs->size(), 4U);
  const MessageMeta& first = (*runs)[0];
  EXPECT_EQ(first.delay, 150ms);
  EXPECT_FALSE(first.last_retry_at || first.retried_from_dlq_at || first.last_error);
  const MessageMeta& second = (*runs)[1];
  EXPECT_EQ(second.delay, 150ms);
  EXPECT_EQ(second.attempt_times.size(), 1U);
  ASSERT_TRUE(second.last_retry_at.has_value());
  // Both are estimates of the server's clock.
  EXPECT_GE(*second.last_retry_at, second.attempt_times[0] + 100) << "when it ended";

  const MessageMeta& dead = letter->message.meta;
  EXPECT_EQ(dead.status, MessageStatus::dead_letter);
  EXPECT_EQ(dead.delay, 150ms);
  EXPECT_EQ(dead.max_retries, 1);
  EXPECT_EQ(dead.retry_delays, (std::vector<std::chrono::milliseconds>{20ms, 40ms}));
  EXPECT_EQ(dead.retry_count, 2);
  EXPECT_EQ(dead.attempt_times.size(), 2U);
  EXPECT_EQ(dead.processing_started_at, dead.attempt_times.back());
  ASSERT_TRUE(dead.last_retry_at.has_value());
  EXPECT_GE(*dead.last_retry_at, dead.attempt_times.back() + 100);
  EXPECT_FALSE(dead.retried_from_dlq_at.has_value());

  const MessageMeta& third = (*runs)[2];
  ASSERT_TRUE(third.retried_from_dlq_at.has_value());
  EXPECT_GE(*third.retried_from_dlq_at, letter->dead_at);
  EXPECT_EQ(third.delay, 0ms);
  EXPECT_FALSE(third.last_retry_at || third.last_error);
  EXPECT_EQ(third.retry_count, 0);
  EXPECT_EQ((*runs)[3].retried_from_dlq_at, third.retried_from_dlq_at) << "a retry keeps it";
  EXPECT_EQ(again->message.meta.retried_from_dlq_at, third.retried_from_dlq_at);
}

TEST_F(QueueMessages, ADeadLetterThatNoWorkerMadeTellsNoPolicy) {
  RedisMessageQueue queue(config());
  produce(queue, "t", 1, ProduceOptions{}.ttl(1ms));
  server().command({"RPUSH", key_of("t", "ready:normal"), "garbage"});
  Strings sweep{"EVAL", std::string(lua::sweep.source), "12"};
  for (const char* part : {"ready:high", "ready:normal", "ready:low", "ready:suspect", "delayed",
                           "consumers", "idle", "stats", "dlq", "dlq:data", "ids", "settings"})
    sweep.push_back(key_of("t", part));
  for (const char* argument : {"c.0", "1", "10", "100000", "dead", "60000", "0", "PUBLISH"})
    sweep.push_back(argument);
  ASSERT_TRUE(wait_for(patience, [&] {
    server().command(sweep);
    return stat(server(), "t", "dead") == 2;
  }));
  const auto letters = sync_wait(queue.dead_letters().list("t"));
  ASSERT_EQ(letters.size(), 2U);
  for (const DeadLetter& letter : letters) {
    EXPECT_EQ(letter.message.meta.max_retries, -1) << letter.reason;
    EXPECT_TRUE(letter.message.meta.retry_delays.empty()) << letter.reason;
    EXPECT_EQ(letter.message.meta.updated_at, letter.dead_at) << letter.reason;
    EXPECT_FALSE(letter.message.meta.processing_started_at.has_value()) << letter.reason;
  }
}

TEST_F(QueueMessages, WhatEarlierVersionsStoredIsReadAndGoesOn) {
  const auto seen = std::make_shared<MessageMeta>();
  MQConfig quick = config();
  quick.max_retries = 3;
  RedisMessageQueue queue(quick);
  queue.register_handler("t", [seen](Context& context) -> Task<> {
    *seen = context.message().meta;
    throw Reject("no more");
    co_return;
  });
  const std::int64_t now = server().command({"TIME"})[0].num() * 1000;
  server().command({"RPUSH", key_of("t", "ready:normal"),
                    "mx1 n 2 0 3 " + std::to_string(now) + " 3600000 " +
                        std::to_string(now + 3'600'000) +
                        " 0 3\nold\n\t[\"earlier\",[1000,2000]]\n{}"});
  const std::string envelope = "mx1 n 0 0 3 1000 1000 2000 0 4\ndead\n\n{}";
  server().command({"HSET", key_of("t", "dlq:data"), "dead",
                    "retries\t[\"bad luck\",[1100,1200]]\n" + envelope});
  server().command({"ZADD", key_of("t", "dlq"), "1300", "dead"});
  start(queue);
  ASSERT_TRUE(wait_for(patience, [&] { return stat(server(), "t", "dead") == 1; }));
  stop(queue);
  EXPECT_EQ(seen->retry_count, 2);
  EXPECT_EQ(seen->last_error, "earlier");
  EXPECT_EQ(seen->attempt_times, (std::vector<std::int64_t>{1000, 2000}));
  EXPECT_FALSE(seen->last_retry_at.has_value()) << "was not noted then";
  const auto letter = sync_wait(queue.dead_letters().get("t", "old"));
  ASSERT_TRUE(letter.has_value());
  EXPECT_EQ(letter->message.meta.attempt_times.size(), 3U);
  EXPECT_EQ(letter->message.meta.retry_count, 3);
  const auto older = sync_wait(queue.dead_letters().get("t", "dead"));
  ASSERT_TRUE(older.has_value());
  EXPECT_EQ(older->last_error, "bad luck");
  EXPECT_EQ(older->message.meta.retry_count, 2);
  EXPECT_EQ(older->message.meta.max_retries, -1) << "was not noted then";
}

}  // namespace
}  // namespace mx_rmq::test
