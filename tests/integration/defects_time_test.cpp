// Faults of the Python original in what it did with time: ttl, leases, retries, deadlines, clocks.
#include <atomic>

#include "support/build_kind.hpp"
#include "support/queue_fixture.hpp"

namespace mx_rmq::test {
namespace {

class Defects : public QueueTest {};

std::chrono::milliseconds since(WaitClock::time_point from, WaitClock::time_point to) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(to - from);
}

TEST_F(Defects, P03_what_expired_while_nobody_consumed_is_delivered_to_nobody) {
  const auto journal = std::make_shared<Journal>();
  RedisMessageQueue queue(config());
  produce(queue, "t", "short", ProduceOptions{}.ttl(50ms));
  const auto began = WaitClock::now();
  ASSERT_TRUE(wait_for(patience, [&] { return WaitClock::now() > began + 200ms; }));
  queue.register_handler("t", recorder(journal));
  start(queue);
  ASSERT_TRUE(wait_drained(server(), "t"));
  const auto letters = sync_wait(queue.dead_letters().list("t"));
  ASSERT_EQ(letters.size(), 1u);
  EXPECT_EQ(letters[0].reason, "expired");
  EXPECT_EQ(journal->size(), 0u);
  EXPECT_EQ(stat(server(), "t", "expired"), 1);
}

TEST_F(Defects, P06_attempts_are_one_and_the_retries_and_every_delay_is_used) {
  MQConfig with_delays = config();
  with_delays.max_retries = 3;
  with_delays.retry_delays = {50ms, 150ms, 300ms};
  const auto journal = std::make_shared<Journal>();
  RedisMessageQueue queue(with_delays);
  queue.register_handler("t", [journal](Context& context) -> Task<> {
    journal->add(context);
    throw std::runtime_error("always");
    co_return;
  });
  start(queue);
  produce(queue, "t", 1);
  ASSERT_TRUE(wait_for(patience, [&] { return stat(server(), "t", "dead") == 1; }));
  const auto runs = journal->runs();
  ASSERT_EQ(runs.size(), 4u);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(runs[i].attempt, static_cast<int>(i) + 1);
    const auto pause = since(runs[i].at, runs[i + 1].at);
    EXPECT_GE(pause, with_delays.retry_delays[i] - 5ms) << i;
    // The next longer delay would be recognized.
    EXPECT_LT(pause, with_delays.retry_delays[i] + 3s) << i;
  }
  const auto letters = sync_wait(queue.dead_letters().list("t"));
  ASSERT_EQ(letters.size(), 1u);
  EXPECT_EQ(letters[0].reason, "retries");
  EXPECT_EQ(letters[0].message.meta.attempt_times.size(), 4u);
}

TEST_F(Defects, P12_a_handler_of_ten_leases_is_delivered_once) {
  MQConfig short_lease = config();
  short_lease.lease = 500ms;
  const auto journal = std::make_shared<Journal>();
  RedisMessageQueue queue(short_lease);
  RedisMessageQueue other(short_lease);
  const auto slow = [journal](Context& context) -> Task<> {
    journal->add(context);
    co_await sleep_for(5s);
  };
  queue.register_handler("t", slow);
  other.register_handler("t", slow);
  start(queue);
  start(other);
  produce(queue, "t", 1);
  ASSERT_TRUE(wait_for(patience, [&] { return stat(server(), "t", "completed") == 1; }));
  EXPECT_EQ(journal->size(), 1u);
  EXPECT_EQ(stat(server(), "t", "recovered"), 0);
}

TEST_F(Defects, P13_prefetched_messages_keep_their_lease_and_full_deadline_while_they_wait) {
  MQConfig one = config();
  one.max_workers = 1;
  one.task_queue_size = 4;
  one.lease = 1s;
  one.processing_timeout = 1500ms;
  const auto journal = std::make_shared<Journal>();
  const auto left = std::make_shared<std::atomic<std::int64_t>>(1'000'000);
  RedisMessageQueue queue(one);
  queue.register_handler("t", [journal, left](Context& context) -> Task<> {
    journal->add(context);
    const auto rest = since(WaitClock::now(), context.deadline()).count();
    if (rest < *left) *left = rest;
    co_await sleep_for(700ms);
  });
  for (int i = 0; i < 5; ++i) produce(queue, "t", i);
  start(queue);
  ASSERT_TRUE(wait_for(patience, [&] { return stat(server(), "t", "completed") == 5; }));
  EXPECT_EQ(journal->payloads(), (std::vector<json>{0, 1, 2, 3, 4}));
  EXPECT_EQ(stat(server(), "t", "recovered"), 0);
  EXPECT_EQ(stat(server(), "t", "retried"), 0);
  EXPECT_GT(*left, 1000) << "each run has its own deadline, from its own start";
}

TEST_F(Defects, P14_a_handler_that_hangs_is_told_then_fails_and_its_place_is_free) {
  MQConfig one = config();
  one.max_workers = 1;
  one.max_retries = 0;
  const auto journal = std::make_shared<Journal>();
  const auto told = std::make_shared<std::atomic<bool>>(false);
  const auto go = std::make_shared<std::atomic<bool>>(false);
  RedisMessageQueue queue(one);
  queue.register_handler(
      "t",
      [journal, told, go](const json& payload, Context& context) -> Task<> {
        journal->add(context);
        if (payload != "hang") co_return;
        while (!*go) {
          if (context.stop_token().stop_requested()) *told = true;
          co_await sleep_for(5ms);
        }
      },
      HandlerOptions{}.timeout(200ms));
  start(queue);
  const auto began = WaitClock::now();
  produce(queue, "t", "hang");
  produce(queue, "t", "next");
  ASSERT_TRUE(wait_for(patience, [&] { return stat(server(), "t", "completed") == 1; }))
      << "the only place is free again";
  EXPECT_GE(since(began, WaitClock::now()), 200ms);
  EXPECT_TRUE(*told);
  EXPECT_EQ(stat(server(), "t", "dead"), 1);
  const auto zombies = [&] { return sync_wait(queue.metrics().collect({"t"})).zombies; };
  EXPECT_EQ(zombies(), 1);
  *go = true;
  EXPECT_TRUE(wait_for(patience, [&] { return zombies() == 0; }));
  stop(queue);
  EXPECT_EQ(stat(server(), "t", "completed"), 1) << "its late result is ignored";
}

TEST_F(Defects, P20_retries_are_not_late) {
  MQConfig hundred = config();
  hundred.retry_delays = {100ms};
  hundred.expired_check_interval = 60s;  // nothing but the alarm can wake it
  const auto journal = std::make_shared<Journal>();
  const auto failed = std::make_shared<std::atomic<int>>(0);
  RedisMessageQueue queue(hundred);
  queue.register_handler("t", [journal, failed](Context& context) -> Task<> {
    journal->add(context);
    if (context.attempt() > 1) co_return;
    ++*failed;
    throw std::runtime_error("once");
  });
  start(queue);
  std::vector<std::chrono::milliseconds> pauses;
  for (int i = 0; i < 20; ++i) {
    const std::string id = produce(queue, "t", i);
    ASSERT_TRUE(wait_for(patience, [&] { return journal->count(id) == 2; }));
    const auto runs = journal->runs();
    pauses.push_back(since(runs[runs.size() - 2].at, runs.back().at));
  }
  std::sort(pauses.begin(), pauses.end());
  EXPECT_GE(pauses.front(), 99ms);
  // The machine may be loaded; the median tells whether wake-ups get lost (30 s in the original).
  EXPECT_LT(pauses[10], optimized ? 110ms : 200ms);
  EXPECT_LT(pauses.back(), 2s);
}

TEST_F(Defects, P23_a_delayed_message_expires_its_ttl_after_it_is_due) {
  RedisMessageQueue queue(config());
  const auto journal = std::make_shared<Journal>();
  produce(queue, "t", 1, ProduceOptions{}.delay(100ms).ttl(50ms));
  const auto began = WaitClock::now();
  ASSERT_TRUE(wait_for(patience, [&] { return WaitClock::now() > began + 400ms; }));
  queue.register_handler("t", recorder(journal));
  start(queue);
  ASSERT_TRUE(wait_for(patience, [&] { return stat(server(), "t", "expired") == 1; }));
  EXPECT_EQ(journal->size(), 0u);
}

TEST_F(Defects, P23_a_retry_that_would_come_after_expiry_is_a_dead_letter) {
  MQConfig late = config();
  late.retry_delays = {10s};
  RedisMessageQueue queue(late);
  queue.register_handler("t", [](const json&) -> Task<> {
    throw std::runtime_error("the cause");
    co_return;
  });
  start(queue);
  produce(queue, "t", 1, ProduceOptions{}.ttl(5s));
  ASSERT_TRUE(wait_for(patience, [&] { return stat(server(), "t", "dead") == 1; }));
  const auto letters = sync_wait(queue.dead_letters().list("t"));
  ASSERT_EQ(letters.size(), 1u);
  EXPECT_EQ(letters[0].reason, "expired");
  EXPECT_EQ(
      letters[0].last_error,
      "no retry: in 10000 ms the message will have expired; the attempt ended with: the cause");
}

TEST_F(Defects, P25_a_ttl_of_zero_is_refused_and_units_are_those_of_the_types) {
  RedisMessageQueue queue(config());
  EXPECT_THROW(static_cast<void>(queue.produce("t", 1, ProduceOptions{}.ttl(0ms))),
               std::invalid_argument);
  MQConfig none = config();
  none.message_ttl = 0s;
  EXPECT_THROW(none.validate(), ConfigError);
  const std::string id = produce(queue, "t", 1, ProduceOptions{}.delay(30min).ttl(1h));
  const Value due = server().command({"ZSCORE", key_of("t", "delayed"), id});
  const Value now = server().command({"TIME"});
  const double ahead = std::stod(due.str()) - static_cast<double>(now[0].num()) * 1000.0;
  EXPECT_NEAR(ahead, 30 * 60 * 1000.0, 60'000.0);
}

}  // namespace
}  // namespace mx_rmq::test
