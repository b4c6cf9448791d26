// One quiet topic beside ten busy ones, over several queues: how long its messages wait.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "support/queue_fixture.hpp"

namespace mx_rmq::test {

inline constexpr int busy_topics = 10;

struct QuietTopic {
  int queues = 6;
  int messages = 60;
  std::chrono::milliseconds handler{400};  // takes so long, of every topic
  // Until each topic has had its turn, with the workers that a queue has by default.
  std::chrono::milliseconds fair_turn() const {
    return handler * (busy_topics + 1) / MQConfig().max_workers;
  }
};

// From each produce call to the start of its handler. The queues have the default configuration.
inline std::vector<WaitClock::duration> waits_beside_busy_topics(const QuietTopic& plan) {
  MQConfig config;
  TestRedis::get().lead(config);
  config.shutdown_timeout = 1s;
  const auto began = std::make_shared<std::atomic<int>>(0);
  const auto at = std::make_shared<std::atomic<WaitClock::rep>>(0);
  std::vector<std::unique_ptr<RedisMessageQueue>> queues;
  for (int i = 0; i < plan.queues; ++i) {
    auto queue = std::make_unique<RedisMessageQueue>(config);
    for (int topic = 0; topic < busy_topics; ++topic)
      queue->register_handler(
          "busy" + std::to_string(topic),
          [takes = plan.handler](const json&) -> Task<> { co_await sleep_for(takes); });
    queue->register_handler("quiet", [began, at, takes = plan.handler](const json&) -> Task<> {
      *at = WaitClock::now().time_since_epoch().count();
      ++*began;
      co_await sleep_for(takes);
    });
    queues.push_back(std::move(queue));
  }
  // More than can be handled meanwhile.
  const auto turns = static_cast<int>(plan.messages * 2 + 20);
  for (int topic = 0; topic < busy_topics; ++topic) {
    std::vector<OutgoingMessage> backlog;
    for (int i = 0; i < turns * plan.queues; ++i)
      backlog.emplace_back("busy" + std::to_string(topic), i);
    sync_wait(queues.front()->produce_batch(std::move(backlog)));
  }
  for (const auto& queue : queues) sync_wait(queue->start_background());
  std::vector<WaitClock::duration> waits;
  std::this_thread::sleep_for(plan.fair_turn());  // the load
  for (int i = 1; i <= plan.messages; ++i) {
    const auto produced = WaitClock::now();
    sync_wait(queues.front()->produce("quiet", i));
    EXPECT_TRUE(wait_for(
        patience, [&] { return *began >= i; }, 1ms))
        << i;
    waits.push_back(WaitClock::time_point(WaitClock::duration(at->load())) - produced);
    std::this_thread::sleep_for(plan.handler / 3);  // the rate of the quiet topic
  }
  for (const auto& queue : queues) sync_wait(queue->stop());
  return waits;
}

}  // namespace mx_rmq::test
