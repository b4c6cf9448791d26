// The handles for dead letters and metrics: what they pass on, what they refuse, how long they
// live.
#include <optional>

#include "support/queue_fixture.hpp"

namespace mx_rmq::test {
namespace {

// Nobody is there: what is asked of it ends with ConnectionError, what is refused does not.
MQConfig nowhere() {
  MQConfig config = quick_config("unix:///nonexistent/redis.sock");
  config.command_timeout = 200ms;
  return config;
}

class HandlesTest : public QueueTest {
 protected:
  // Dead letters of rejected messages; their ids, oldest first.
  static Strings make_dead(RedisMessageQueue& queue, int count) {
    queue.register_handler("t", [](const json&) -> Task<> {
      throw Reject("as told");
      co_return;
    });
    sync_wait(queue.start_background());
    Strings ids;
    for (int i = 0; i < count; ++i) {
      ids.push_back(produce(queue, "t", i));
      const auto dead = i + 1;
      EXPECT_TRUE(wait_for(patience, [&] { return stat(server(), "t", "dead") == dead; }));
    }
    sync_wait(queue.stop());
    return ids;
  }
};

using DeadLetterQueue = HandlesTest;
using MetricsCollector = HandlesTest;

TEST_F(DeadLetterQueue, PassesEachCallOn) {
  RedisMessageQueue queue(config());
  const Strings ids = make_dead(queue, 4);
  mx_rmq::DeadLetterQueue letters = queue.dead_letters();
  EXPECT_EQ(sync_wait(letters.count("t")), 4);
  EXPECT_EQ(sync_wait(letters.list("t")).at(0).message.id, ids[3]);
  EXPECT_EQ(sync_wait(letters.list("t", 1, 2)).at(1).message.id, ids[1]);
  EXPECT_TRUE(sync_wait(letters.list("t", 1, 0)).empty());
  EXPECT_FALSE(sync_wait(letters.get("t", "nobody")).has_value());
  EXPECT_EQ(sync_wait(letters.get("t", ids[0]))->reason, "rejected");
  EXPECT_TRUE(sync_wait(letters.requeue("t", ids[0])));
  EXPECT_FALSE(sync_wait(letters.requeue("t", ids[0])));
  EXPECT_TRUE(sync_wait(letters.remove("t", ids[1])));
  EXPECT_FALSE(sync_wait(letters.remove("t", ids[1])));
  EXPECT_EQ(sync_wait(letters.requeue_all("t")), 2);
  EXPECT_EQ(sync_wait(letters.purge("t")), 0);
  EXPECT_EQ(audit(server(), "t")["ready"], 3);
}

TEST_F(DeadLetterQueue, RefusesBadArgumentsAtOnceAndAsksNothing) {
  RedisMessageQueue queue(nowhere());
  mx_rmq::DeadLetterQueue letters = queue.dead_letters();
  const std::string bad = "a b";
  EXPECT_THROW((void)letters.count(bad), std::invalid_argument);
  EXPECT_THROW((void)letters.list(bad), std::invalid_argument);
  EXPECT_THROW((void)letters.list("t", -1), std::invalid_argument);
  EXPECT_THROW((void)letters.list("t", 0, -1), std::invalid_argument);
  EXPECT_THROW((void)letters.get(bad, "i"), std::invalid_argument);
  EXPECT_THROW((void)letters.get("t", ""), std::invalid_argument);
  EXPECT_THROW((void)letters.get("t", std::string(513, 'i')), std::invalid_argument);
  EXPECT_THROW((void)letters.requeue(bad, "i"), std::invalid_argument);
  EXPECT_THROW((void)letters.requeue("t", ""), std::invalid_argument);
  EXPECT_THROW((void)letters.requeue_all(bad), std::invalid_argument);
  EXPECT_THROW((void)letters.remove(bad, "i"), std::invalid_argument);
  EXPECT_THROW((void)letters.remove("t", ""), std::invalid_argument);
  EXPECT_THROW((void)letters.purge(bad), std::invalid_argument);
  EXPECT_THROW(sync_wait(letters.count("t")), Error) << "this one is asked";
}

TEST_F(DeadLetterQueue, ATaskMayOutliveItsHandle) {
  RedisMessageQueue queue(config());
  make_dead(queue, 1);
  std::optional<mx_rmq::DeadLetterQueue> letters(queue.dead_letters());
  Task<std::int64_t> task = letters->count("t");
  letters.reset();
  EXPECT_EQ(sync_wait(std::move(task)), 1);
}

TEST_F(DeadLetterQueue, ATaskMayOutliveItsQueueAndIsThenRefused) {
  std::optional<RedisMessageQueue> queue(std::in_place, config());
  mx_rmq::DeadLetterQueue letters = queue->dead_letters();
  Task<std::int64_t> task = letters.count("t");
  queue.reset();
  EXPECT_THROW(sync_wait(std::move(task)), ShutdownError);
  EXPECT_THROW(sync_wait(letters.count("t")), ShutdownError);
}

TEST_F(MetricsCollector, AsksForEachTopicOnceInOrder) {
  RedisMessageQueue queue(config());
  produce(queue, "a", 1);
  mx_rmq::MetricsCollector metrics = queue.metrics();
  const MetricsSnapshot twice = sync_wait(metrics.collect({"b", "a", "b"}));
  EXPECT_EQ(twice.topics.size(), 2U);
  EXPECT_EQ(twice.topics.at("a").pending, 1);
  EXPECT_EQ(twice.topics.at("b").pending, 0);
  EXPECT_TRUE(sync_wait(metrics.collect({})).topics.empty());
  EXPECT_THROW((void)metrics.collect({"a", "a b"}), std::invalid_argument);
}

TEST_F(MetricsCollector, WhoConsumesNotesTheHistory) {
  RedisMessageQueue queue(config());
  const auto journal = std::make_shared<Journal>();
  queue.register_handler("t", recorder(journal));
  produce(queue, "t", 1);
  EXPECT_TRUE(sync_wait(queue.admin().history("t", 1h)).points.empty());
  start(queue);
  ASSERT_TRUE(wait_for(patience,
                       [&] { return !sync_wait(queue.admin().history("t", 1h)).points.empty(); }));
  const TopicHistory days = sync_wait(queue.admin().history("t", 7 * 24h));
  EXPECT_EQ(days.step, 10min);
  ASSERT_FALSE(days.points.empty());
  EXPECT_EQ(days.points.back().counters.produced, 1);
  EXPECT_THROW((void)queue.admin().history("t", 0ms), std::invalid_argument);
  EXPECT_THROW((void)queue.admin().history("t", 8 * 24h), std::invalid_argument);
}

TEST_F(MetricsCollector, TellsForHowLongMessagesWait) {
  RedisMessageQueue queue(config());
  const auto ages = [&] { return sync_wait(queue.metrics().collect({"t"})).topics.at("t").ages; };
  EXPECT_FALSE(ages().oldest());
  produce(queue, "t", 1, ProduceOptions{}.priority(MessagePriority::high));
  produce(queue, "t", 1, ProduceOptions{}.delay(1h));
  ASSERT_TRUE(wait_for(patience, [&] { return ages().high >= 20ms; })) << "it grows";
  EXPECT_FALSE(ages().normal || ages().low || ages().suspect || ages().due);
  EXPECT_GE(ages().oldest(), ages().high);
  produce(queue, "t", 1, ProduceOptions{}.delay(1ms));
  ASSERT_TRUE(wait_for(patience, [&] { return ages().due.has_value(); }))
      << "nobody consumes, so what is due stays among the delayed ones";
}

}  // namespace
}  // namespace mx_rmq::test
