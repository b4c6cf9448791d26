// Whose turn it is: a quiet topic beside busy ones, a free worker beside one that is not.
#include <algorithm>
#include <atomic>
#include <cstdio>

#include "support/quiet_topic.hpp"

namespace mx_rmq::test {
namespace {

class QueueFairness : public QueueTest {};

TEST_F(QueueFairness, AQuietTopicHasItsTurnBesideTenBusyOnes) {
  QuietTopic plan;
  plan.queues = 2;
  plan.messages = 10;
  plan.handler = 100ms;
  const auto waits = waits_beside_busy_topics(plan);
  const auto worst =
      std::chrono::duration_cast<std::chrono::milliseconds>(*std::ranges::max_element(waits));
  std::printf("    at worst %lld ms, a fair turn is %lld ms\n",
              static_cast<long long>(worst.count()),
              static_cast<long long>(plan.fair_turn().count()));
  EXPECT_LE(worst, 2 * plan.fair_turn());
}

// Queues of one worker whose handlers wait to be let go.
struct Held {
  std::shared_ptr<std::atomic<int>> begun = std::make_shared<std::atomic<int>>(0);
  std::shared_ptr<std::atomic<bool>> go = std::make_shared<std::atomic<bool>>(false);

  auto handler() const {
    return [begun = begun, go = go](const json&) -> Task<> {
      ++*begun;
      while (!*go) co_await sleep_for(1ms);
    };
  }
};

TEST_F(QueueFairness, WithoutALocalQueueAMessageIsClaimedOnlyForAFreeWorker) {
  MQConfig config = QueueFairness::config();
  config.task_queue_size = 0;
  config.max_workers = 2;
  config.expired_check_interval = 1h;  // no sweep heals what nobody was woken for
  config.processing_monitor_interval = 1h;
  RedisMessageQueue one(config);
  RedisMessageQueue two(config);
  const Held first;
  const Held second;
  one.register_handler("t", first.handler());
  two.register_handler("t", second.handler());
  start(one);
  for (int i = 0; i < 6; ++i) produce(one, "t", i);
  ASSERT_TRUE(wait_for(patience, [&] { return *first.begun == 2; }));
  EXPECT_EQ(server().command({"LLEN", key_of("t", "ready:normal")}).num(), 4);
  start(two);
  ASSERT_TRUE(wait_for(patience, [&] { return *second.begun == 2; }));
  EXPECT_EQ(server().command({"LLEN", key_of("t", "ready:normal")}).num(), 2);
  *first.go = true;
  EXPECT_TRUE(wait_for(patience, [&] { return *first.begun == 4; })) << "it is free again";
  *second.go = true;
  EXPECT_TRUE(wait_drained(server(), "t"));
  stop(one);
  stop(two);
}

TEST_F(QueueFairness, WhoIsIdleIsWokenThoughOthersThatAreListedHaveNoFreeWorker) {
  MQConfig config = QueueFairness::config();
  config.task_queue_size = 0;
  config.max_workers = 1;
  config.expired_check_interval = 1h;  // no sweep heals what nobody was woken for
  config.processing_monitor_interval = 1h;
  std::vector<std::unique_ptr<RedisMessageQueue>> queues;
  const Held held;
  constexpr int all = 5;
  for (int i = 0; i < all; ++i) {
    queues.push_back(std::make_unique<RedisMessageQueue>(config));
    queues.back()->register_handler("t", held.handler());
    start(*queues.back());
  }
  for (int i = 1; i <= all; ++i) {
    produce(*queues.front(), "t", i);
    EXPECT_TRUE(wait_for(patience, [&] { return *held.begun == i; })) << i;
  }
  *held.go = true;
  EXPECT_TRUE(wait_drained(server(), "t"));
  for (const auto& queue : queues) stop(*queue);
}

}  // namespace
}  // namespace mx_rmq::test
