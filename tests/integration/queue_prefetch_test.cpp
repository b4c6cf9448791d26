// What is claimed ahead of the workers where the configuration leaves that to the library.
#include <algorithm>
#include <array>
#include <atomic>
#include <thread>

#include "support/queue_fixture.hpp"

namespace mx_rmq::test {
namespace {

using Count = std::shared_ptr<std::atomic<int>>;
using Flag = std::shared_ptr<std::atomic<bool>>;

class QueuePrefetch : public QueueTest {
 protected:
  static MQConfig config() {
    MQConfig usual = QueueTest::config();
    usual.expired_check_interval = 1h;  // no sweep heals what nobody was woken for
    usual.processing_monitor_interval = 1h;
    return usual;
  }
  static void produce_many(RedisMessageQueue& queue, const std::string& topic, int count) {
    std::vector<OutgoingMessage> messages;
    for (int i = 0; i < count; ++i) messages.emplace_back(topic, i);
    sync_wait(queue.produce_batch(std::move(messages)));
  }
  static std::int64_t waiting(const std::string& topic) {
    return server().command({"LLEN", key_of(topic, "ready:normal")}).num();
  }
  static Count count() { return std::make_shared<std::atomic<int>>(0); }
  static Flag flag() { return std::make_shared<std::atomic<bool>>(false); }
};

TEST_F(QueuePrefetch, NothingIsClaimedAheadOfWorkersThatHaveFinishedNothing) {
  const Count begun = count();
  const Flag go = flag();
  RedisMessageQueue queue(config());
  queue.register_handler("t", [begun, go](const json&) -> Task<> {
    ++*begun;
    while (!*go) co_await sleep_for(1ms);
  });
  produce_many(queue, "t", 20);
  start(queue);
  const int workers = MQConfig().max_workers;
  ASSERT_TRUE(wait_for(patience, [&] { return *begun == workers; }));
  EXPECT_EQ(waiting("t"), 20 - workers);
  EXPECT_EQ(queue.status().local_queue_size, 0U);
  *go = true;
  EXPECT_TRUE(wait_drained(server(), "t"));
  stop(queue);
}

TEST_F(QueuePrefetch, ASlowTopicIsSharedEvenly) {
  const std::array<Count, 2> handled{count(), count()};
  std::vector<std::unique_ptr<RedisMessageQueue>> queues;
  for (const Count& mine : handled) {
    queues.push_back(std::make_unique<RedisMessageQueue>(config()));
    queues.back()->register_handler("t", [mine](const json&) -> Task<> {
      co_await sleep_for(100ms);
      ++*mine;
    });
    start(*queues.back());
  }
  produce_many(*queues.front(), "t", 100);
  ASSERT_TRUE(wait_drained(server(), "t"));
  for (const auto& queue : queues) stop(*queue);
  EXPECT_EQ(*handled[0] + *handled[1], 100);
  EXPECT_GE(*handled[0], 25);
  EXPECT_GE(*handled[1], 25);
}

TEST_F(QueuePrefetch, WhatWaitsBehindHandlersThatHaveBecomeSlowGoesToWhoIsIdle) {
  constexpr int all = 4000;
  constexpr int quick = 2000;
  const Count begun = count();
  const Count elsewhere = count();
  const Count counted = count();  // as attempts
  const Flag go = flag();
  RedisMessageQueue one(config());
  RedisMessageQueue two(config());
  one.register_handler("t", [begun, go](const json&) -> Task<> {
    if (++*begun <= quick) co_return;
    while (!*go) co_await sleep_for(1ms);
  });
  two.register_handler("t", [elsewhere, counted](Context& context) -> Task<> {
    if (context.attempt() != 1) ++*counted;
    ++*elsewhere;
    co_return;
  });
  produce_many(one, "t", all);
  start(one);
  const int workers = MQConfig().max_workers;
  ASSERT_TRUE(wait_for(patience, [&] { return *begun == quick + workers; }));
  start(two);
  EXPECT_TRUE(wait_for(patience, [&] { return *elsewhere == all - quick - workers; }))
      << *elsewhere;
  EXPECT_EQ(*counted, 0);
  *go = true;
  EXPECT_TRUE(wait_drained(server(), "t"));
  EXPECT_EQ(*begun, quick + workers);
  EXPECT_EQ(stat(server(), "t", "completed"), all);
  stop(one);
  stop(two);
}

TEST_F(QueuePrefetch, WhatStandsByBehindBlockingHandlersThatHangGoesToWhoIsIdle) {
  constexpr int all = 4000;
  constexpr int quick = 2000;
  const Count begun = count();
  const Count elsewhere = count();
  const Flag go = flag();
  RedisMessageQueue one(config());
  RedisMessageQueue two(config());
  one.register_handler("t", [begun, go](const json&) {
    if (++*begun <= quick) return;
    while (!*go) std::this_thread::sleep_for(1ms);
  });
  two.register_handler("t", [elsewhere](const json&) { ++*elsewhere; });
  produce_many(one, "t", all);
  start(one);
  const int workers = MQConfig().max_workers;
  ASSERT_TRUE(wait_for(patience, [&] { return *begun == quick + workers; }));
  start(two);
  EXPECT_TRUE(wait_for(patience, [&] { return *elsewhere == all - quick - workers; }))
      << *elsewhere;
  EXPECT_EQ(*begun, quick + workers) << "no more run at the same time than there are workers";
  *go = true;
  EXPECT_TRUE(wait_drained(server(), "t"));
  EXPECT_EQ(stat(server(), "t", "completed"), all);
  stop(one);
  stop(two);
}

TEST_F(QueuePrefetch, ATopicHasItsTurnBesideAQuickOneThatHasMuch) {
  constexpr int many = 2000;
  const Count busy = count();
  const Count quiet = count();
  const Count busy_at_first = count();
  MQConfig two = config();
  two.max_workers = 2;  // none is kept free
  RedisMessageQueue queue(two);
  RedisMessageQueue* const producer = &queue;
  queue.register_handler("busy", [busy, producer](const json&) -> Task<> {
    co_await sleep_for(1ms);
    if (++*busy == 100) co_await producer->produce("quiet", 1);
  });
  queue.register_handler("quiet", [busy, quiet, busy_at_first](const json&) -> Task<> {
    *busy_at_first = busy->load();
    ++*quiet;
    co_return;
  });
  produce_many(queue, "busy", many);
  start(queue);
  ASSERT_TRUE(wait_for(patience, [&] { return *quiet == 1; }));
  EXPECT_LT(*busy_at_first, many);
  EXPECT_TRUE(wait_drained(server(), "busy"));
  stop(queue);
}

TEST_F(QueuePrefetch, NoMoreBlockingHandlersRunAtTheSameTimeThanThereAreWorkers) {
  constexpr int all = 3000;
  const Count running = count();
  const Count most = count();
  MQConfig few = config();
  few.max_workers = 3;
  RedisMessageQueue queue(few);
  queue.register_handler("t", [running, most](const json&) {
    const int now = ++*running;
    int before = *most;
    while (now > before && !most->compare_exchange_weak(before, now)) {
    }
    --*running;
  });
  produce_many(queue, "t", all);
  start(queue);
  EXPECT_TRUE(wait_for(patience, [&] { return stat(server(), "t", "completed") == all; }));
  EXPECT_LE(*most, few.max_workers);
  stop(queue);
}

TEST_F(QueuePrefetch, AStopGivesBackWhatStandsBy) {
  constexpr int all = 4000;
  constexpr int quick = 2000;
  const Count begun = count();
  const Flag go = flag();
  RedisMessageQueue queue(config());
  queue.register_handler("t", [begun, go](const json&) {
    if (++*begun <= quick) return;
    while (!*go) std::this_thread::sleep_for(1ms);
  });
  produce_many(queue, "t", all);
  start(queue);
  const int workers = MQConfig().max_workers;
  ASSERT_TRUE(wait_for(patience, [&] { return *begun == quick + workers; }));
  std::thread stopping([&queue] { stop(queue); });
  // While those that run go on.
  EXPECT_TRUE(wait_for(patience, [&] { return waiting("t") == all - quick - workers; }))
      << waiting("t");
  *go = true;
  stopping.join();
  EXPECT_EQ(*begun, quick + workers);
  EXPECT_EQ(stat(server(), "t", "completed"), quick + workers);
  EXPECT_EQ(audit(server(), "t")["processing"], 0);
}

}  // namespace
}  // namespace mx_rmq::test
