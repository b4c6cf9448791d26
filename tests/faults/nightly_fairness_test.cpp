// Nobody starves: neither what fails again and again among much that is new, nor what is new among
// much that fails, nor ninety-nine topics beside a hot one.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <limits>
#include <string>
#include <vector>

#include "support/quiet_topic.hpp"

namespace mx_rmq::test {
namespace {

class NightlyB : public QueueTest {
 protected:
  static std::int64_t waiting(const std::string& topic) {
    return server().command({"LLEN", key_of(topic, "ready:normal")}).num();
  }
  static void produce_many(RedisMessageQueue& queue, const std::string& topic, int count) {
    std::vector<OutgoingMessage> messages;
    for (int i = 0; i < count; ++i) messages.emplace_back(topic, json{{"new", i}});
    sync_wait(queue.produce_batch(std::move(messages)));
  }
};

struct Counts {
  std::atomic<int> failures{0};  // runs of what fails
  std::atomic<int> others{0};
  std::atomic<bool> finished{false};  // the one that fails and ends well at last
};

TEST_F(NightlyB, B13_a_message_that_is_retried_at_once_ends_beside_a_flood_of_new_ones) {
  constexpr int failures = 20;
  constexpr int backlog = 2000;
  MQConfig config = QueueTest::config();
  config.retry_delays = {0ms};
  config.max_retries = 100;
  RedisMessageQueue queue(config);
  const auto counts = std::make_shared<Counts>();
  queue.register_handler("jobs", [counts](Context& context) -> Task<> {
    if (!context.message().payload.contains("old")) {
      ++counts->others;
      co_return;
    }
    if (++counts->failures <= failures) throw std::runtime_error("not yet");
    counts->finished = true;
  });
  produce_many(queue, "jobs", backlog);
  json old;
  old["old"] = true;
  produce(queue, "jobs", old);
  start(queue);
  std::int64_t least = std::numeric_limits<std::int64_t>::max();
  ASSERT_TRUE(wait_for(patience,
                       [&] {
                         const std::int64_t now = waiting("jobs");
                         // The flood runs low only if this thread does not get to run.
                         if (!counts->finished) least = std::min(least, now);
                         if (now < backlog) produce_many(queue, "jobs", backlog);
                         return counts->finished.load();
                       }))
      << counts->failures << " failures beside " << counts->others << " others";
  const int others = counts->others;
  std::printf("    %d failures and the end among %d others, of which at least %ld waited\n",
              counts->failures.load() - 1, others, static_cast<long>(least));
  EXPECT_EQ(counts->failures, failures + 1);
  EXPECT_GT(others, backlog / 2) << "there must have been a flood";
  // Each attempt waits for what was there before it, and for no more.
  EXPECT_LE(others, (failures + 2) * 3 * backlog);
  stop(queue);
}

TEST_F(NightlyB, B13_new_messages_are_handled_beside_many_that_are_retried_at_once) {
  constexpr int failing = 100;
  MQConfig config = QueueTest::config();
  config.retry_delays = {0ms};
  config.max_retries = 1000;
  RedisMessageQueue queue(config);
  const auto counts = std::make_shared<Counts>();
  queue.register_handler("jobs", [counts](Context& context) -> Task<> {
    if (context.message().payload.contains("new")) {
      ++counts->others;
      co_return;
    }
    ++counts->failures;
    throw std::runtime_error("never");
  });
  json bad;
  bad["bad"] = true;
  for (int i = 0; i < failing; ++i) produce(queue, "jobs", bad);
  start(queue);
  ASSERT_TRUE(wait_for(patience, [&] { return counts->failures > 2 * failing; }));
  std::vector<int> between;  // failures between the produce call of a message and its run
  for (int i = 1; i <= 50; ++i) {
    const int before = counts->failures;
    produce_many(queue, "jobs", 1);
    ASSERT_TRUE(wait_for(patience, [&] { return counts->others >= i; })) << i;
    between.push_back(counts->failures - before);
  }
  // The median: this thread is one of those that share the machine.
  std::ranges::nth_element(between, between.begin() + 25);
  std::printf("    %d failures, %d before a new message\n", counts->failures.load(), between[25]);
  EXPECT_GT(counts->failures, 4 * failing) << "they must have failed all the while";
  EXPECT_LE(between[25], 10 * failing);
  stop(queue);
}

TEST_F(NightlyB, B13_ninety_nine_topics_beside_a_hot_one_do_not_starve) {
  constexpr int topics = 100;
  constexpr int each = 10;
  constexpr int hot = 20'000;
  MQConfig config = QueueTest::config();
  config.max_workers = 8;
  RedisMessageQueue queue(config);
  const auto counts = std::make_shared<Counts>();
  const auto journal = std::make_shared<Journal>();
  queue.register_handler("t0", [counts](Context&) -> Task<> {
    co_await sleep_for(1ms);
    ++counts->others;
  });
  for (int i = 1; i < topics; ++i)
    queue.register_handler("t" + std::to_string(i), recorder(journal));
  for (int i = 0; i < hot; i += 1000) produce_many(queue, "t0", 1000);
  start(queue);
  ASSERT_TRUE(wait_for(patience, [&] { return counts->others > 100; }));
  WaitClock::duration longest{0};
  for (int i = 0; i < each; ++i) {
    const auto began = WaitClock::now();
    for (int topic = 1; topic < topics; ++topic) {
      json payload;
      payload["n"] = i;
      produce(queue, "t" + std::to_string(topic), payload);
    }
    ASSERT_TRUE(journal->wait_size(static_cast<std::size_t>((i + 1) * (topics - 1))))
        << journal->size();
    longest = std::max(longest, WaitClock::now() - began);
    while (waiting("t0") < hot / 2) produce_many(queue, "t0", 1000);
  }
  const std::int64_t left = waiting("t0");
  std::printf(
      "    %d messages of the hot topic handled meanwhile; a round of 99 took at most %ld ms\n",
      counts->others.load(),
      static_cast<long>(std::chrono::duration_cast<std::chrono::milliseconds>(longest).count()));
  EXPECT_GT(left, 0) << "the hot topic must have been hot to the end";
  EXPECT_GT(counts->others, 200) << "nor may it starve";
  stop(queue);
}

TEST_F(NightlyB, B13_a_quiet_topic_waits_two_fair_turns_at_worst_beside_ten_busy_ones) {
  const QuietTopic plan;
  auto waits = waits_beside_busy_topics(plan);
  std::ranges::sort(waits);
  const auto ms = [](WaitClock::duration time) {
    return static_cast<long>(std::chrono::duration_cast<std::chrono::milliseconds>(time).count());
  };
  std::printf("    %zu messages waited %ld ms at p50, %ld at worst; a fair turn is %ld\n",
              waits.size(), ms(waits[waits.size() / 2]), ms(waits.back()), ms(plan.fair_turn()));
  EXPECT_LE(waits.back(), 2 * plan.fair_turn());
}

}  // namespace
}  // namespace mx_rmq::test
