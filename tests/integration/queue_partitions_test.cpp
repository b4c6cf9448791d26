// A topic with several partitions: one topic to whoever uses it.
#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <numeric>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "broker/data/partitions.hpp"
#include "support/queue_fixture.hpp"

namespace mx_rmq::test {
namespace {

constexpr int many = 16;

class QueuePartitions : public QueueTest {
 protected:
  static void configure(RedisMessageQueue& queue, const std::string& topic, int partitions) {
    sync_wait(queue.configure(topic, TopicSettings{}.partitions(partitions)));
  }
  // What something is in each partition.
  template <class Figure>
  static std::vector<std::int64_t> in_each(const std::string& topic, int partitions,
                                           Figure figure) {
    std::vector<std::int64_t> all;
    for (int i = 0; i < partitions; ++i) all.push_back(figure(broker::partition_tag(topic, i)));
    return all;
  }
  static std::vector<std::int64_t> stats(const std::string& topic, int partitions,
                                         const std::string& name) {
    return in_each(topic, partitions,
                   [&](const std::string& tag) { return stat(server(), tag, name); });
  }
  static std::int64_t total(const std::string& topic, int partitions, const std::string& name) {
    const auto each = stats(topic, partitions, name);
    return std::accumulate(each.begin(), each.end(), std::int64_t{0});
  }
  static std::string setting(const std::string& tag, const std::string& name) {
    const Value value = server().command({"HGET", key_of(tag, "settings"), name});
    return value.is_nil() ? "" : value.str();
  }
  static bool wait_setting(const std::string& topic, const std::string& name,
                           const std::string& wanted) {
    return wait_for(
        patience, [&] { return setting(topic, name) == wanted; }, 5ms);
  }
  // Every message is in one place in one partition, and nothing waits or is held anywhere.
  static ::testing::AssertionResult sound_and_empty(const std::string& topic, int partitions) {
    for (int i = 0; i < partitions; ++i) {
      const std::string tag = broker::partition_tag(topic, i);
      if (!wait_drained(server(), tag))
        return ::testing::AssertionFailure() << tag << " is not empty";
      const auto good = sound(audit(server(), tag));
      if (!good) return good;
    }
    return ::testing::AssertionSuccess();
  }
};

TEST_F(QueuePartitions, EveryMessageIsHandledOnceWhicheverPartitionItIsIn) {
  RedisMessageQueue producer(config());
  configure(producer, "work", many);
  auto journal = std::make_shared<Journal>();
  std::vector<std::unique_ptr<RedisMessageQueue>> workers;
  for (int i = 0; i < 2; ++i) {
    workers.push_back(std::make_unique<RedisMessageQueue>(config()));
    workers.back()->register_handler("work", recorder(journal));
    start(*workers.back());
  }
  std::set<std::string> ids;
  for (int round = 0; round < 20; ++round) {
    std::vector<OutgoingMessage> batch;
    for (int i = 0; i < 100; ++i) {
      ProduceOptions options;
      if (i % 4 == 1) options.key("k" + std::to_string(i));
      if (i % 4 == 2) options.message_id("id" + std::to_string(round) + "." + std::to_string(i));
      if (i % 4 == 3) options.delay(5ms);
      batch.emplace_back("work", i, options);
    }
    for (auto& id : sync_wait(producer.produce_batch(std::move(batch)))) ids.insert(std::move(id));
    ids.insert(produce(producer, "work", "one"));
  }
  ASSERT_EQ(ids.size(), 2020U) << "generated ids are different, though they note their partition";
  ASSERT_TRUE(journal->wait_size(ids.size()));
  EXPECT_TRUE(sound_and_empty("work", many));
  std::set<std::string> handled;
  for (const Handled& run : journal->runs()) handled.insert(run.id);
  EXPECT_EQ(handled, ids);
  EXPECT_EQ(journal->size(), ids.size()) << "none came twice";
  for (const std::int64_t here : stats("work", many, "produced")) EXPECT_GT(here, 0);
  EXPECT_EQ(total("work", many, "completed"), 2020);
  for (auto& worker : workers) stop(*worker);
}

TEST_F(QueuePartitions, ATopicNobodyUsedHasThemAllAtOnce) {
  RedisMessageQueue queue(config());
  configure(queue, "new", 4);
  EXPECT_EQ(setting("new", "active"), "4");
  EXPECT_EQ(setting("new", "ids_active"), "4");
  const TopicSettings settings = sync_wait(queue.settings("new"));
  EXPECT_EQ(settings.partitions(), 4);
  configure(queue, "new", 4);  // nothing changes
  const std::string refused = thrown_by([&] { configure(queue, "new", 3); });
  EXPECT_NE(refused.find("fewer"), std::string::npos) << refused;
}

TEST_F(QueuePartitions, MessagesOfAKeyAreHandedOutInOrder) {
  RedisMessageQueue queue(config());
  configure(queue, "keys", many);
  auto journal = std::make_shared<Journal>();
  MQConfig alone = config();
  alone.max_workers = 1;  // so that nothing runs side by side
  RedisMessageQueue worker(alone);
  worker.register_handler("keys", recorder(journal));
  start(worker);
  constexpr int keys = 40;
  constexpr int rounds = 25;
  for (int round = 0; round < rounds; ++round) {
    std::vector<OutgoingMessage> batch;
    for (int key = 0; key < keys; ++key) {
      json payload = json::array({key, round});
      batch.emplace_back("keys", std::move(payload),
                         ProduceOptions{}.key("customer-" + std::to_string(key)));
    }
    sync_wait(queue.produce_batch(std::move(batch)));
  }
  ASSERT_TRUE(journal->wait_size(keys * rounds));
  std::map<int, int> next;
  for (const json& payload : journal->payloads())
    EXPECT_EQ(payload[1], next[payload[0].get<int>()]++) << "key " << payload[0];
  const auto used = stats("keys", many, "produced");
  EXPECT_GT(std::ranges::count_if(used, [](std::int64_t here) { return here > 0; }), many / 2);
  for (const std::int64_t here : used) EXPECT_EQ(here % rounds, 0) << "a key goes to one partition";
  stop(worker);
}

TEST_F(QueuePartitions, AChosenIdIsEnqueuedOnceWhereverItIsProduced) {
  RedisMessageQueue first(config());
  RedisMessageQueue second(config());
  configure(first, "ids", many);
  for (int i = 0; i < 50; ++i) {
    const std::string id = "order-" + std::to_string(i);
    EXPECT_EQ(produce(first, "ids", 1, ProduceOptions{}.message_id(id)), id);
    EXPECT_EQ(produce(second, "ids", 2, ProduceOptions{}.message_id(id)), id);
    EXPECT_THROW(produce(second, "ids", 3, ProduceOptions{}.message_id(id).throw_if_duplicate()),
                 Duplicate);
  }
  EXPECT_EQ(total("ids", many, "produced"), 50);
  EXPECT_EQ(total("ids", many, "duplicates"), 100);
}

TEST_F(QueuePartitions, DeadLettersOfAllPartitionsAreOneList) {
  RedisMessageQueue queue(config());
  configure(queue, "dead", many);
  auto journal = std::make_shared<Journal>();
  queue.register_handler("dead", [journal](Context& context) -> Task<> {
    journal->add(context);
    if (journal->count(context.id()) == 1) throw Reject("no");
    co_return;
  });
  start(queue);
  DeadLetterQueue letters = queue.dead_letters();
  Strings ids;
  for (int i = 0; i < 40; ++i) {
    ProduceOptions options;
    if (i % 2 == 1) options.message_id("chosen-" + std::to_string(i));
    ids.push_back(produce(queue, "dead", i, options));
    ASSERT_TRUE(wait_for(
        patience, [&] { return sync_wait(letters.count("dead")) == i + 1; }, 2ms));
    std::this_thread::sleep_for(2ms);  // each dies in a millisecond of its own
  }
  std::ranges::reverse(ids);  // the newest first
  Strings listed;
  for (std::int64_t offset = 0; offset < 40; offset += 7)
    for (const DeadLetter& each : sync_wait(letters.list("dead", offset, 7)))
      listed.push_back(each.message.id);
  EXPECT_EQ(listed, ids);
  EXPECT_TRUE(sync_wait(letters.list("dead", 40, 10)).empty());
  EXPECT_EQ(sync_wait(letters.list("dead", 0, INT64_MAX)).size(), 40U);
  for (const std::string& id : {ids[0], ids[1], ids[38], ids[39]}) {
    const auto letter = sync_wait(letters.get("dead", id));
    ASSERT_TRUE(letter) << id;
    EXPECT_EQ(letter->message.id, id);
  }
  EXPECT_FALSE(sync_wait(letters.get("dead", "nobody")));
  EXPECT_FALSE(sync_wait(letters.requeue("dead", "nobody")));
  EXPECT_TRUE(sync_wait(letters.requeue("dead", ids[0])));
  EXPECT_TRUE(sync_wait(letters.remove("dead", ids[1])));
  ASSERT_TRUE(wait_for(patience, [&] { return journal->count(ids[0]) == 2; }));
  EXPECT_EQ(sync_wait(letters.requeue_all("dead")), 38);
  ASSERT_TRUE(journal->wait_size(79));
  EXPECT_TRUE(sound_and_empty("dead", many));
  EXPECT_EQ(sync_wait(letters.purge("dead")), 0);
  stop(queue);
}

TEST_F(QueuePartitions, CancelMetricsAndForgetCoverAllOfThem) {
  RedisMessageQueue queue(config());
  configure(queue, "whole", many);
  Strings ids;
  for (int i = 0; i < 30; ++i) {
    ProduceOptions options;
    if (i % 3 == 1) options.delay(1h);
    if (i % 3 == 2) options.key("k" + std::to_string(i)).message_id("m" + std::to_string(i));
    ids.push_back(produce(queue, "whole", i, options));
  }
  MetricsSnapshot figures = sync_wait(queue.metrics().collect({"whole"}));
  EXPECT_EQ(figures.topics.at("whole").pending, 20);
  EXPECT_EQ(figures.topics.at("whole").delayed, 10);
  EXPECT_EQ(figures.topics.at("whole").counters.produced, 30);
  EXPECT_TRUE(figures.topics.at("whole").ages.normal) << "of whichever partition";
  sync_wait(queue.admin().note_history("whole"));
  const TopicHistory history = sync_wait(queue.admin().history("whole", 1h));
  ASSERT_FALSE(history.points.empty());
  EXPECT_EQ(history.points.back().pending, 20);
  EXPECT_EQ(history.points.back().counters.produced, 30);
  EXPECT_FALSE(sync_wait(queue.forget("whole"))) << "messages wait";
  EXPECT_EQ(total("whole", many, "produced"), 30) << "nothing was changed";
  for (const std::string& id : ids) EXPECT_TRUE(sync_wait(queue.cancel("whole", id))) << id;
  EXPECT_FALSE(sync_wait(queue.cancel("whole", ids[0])));
  EXPECT_TRUE(sync_wait(queue.forget("whole")));
  for (int i = 0; i < many; ++i) {
    const std::string keys = "mx:{" + broker::partition_tag("whole", i) + "}:*";
    for (const std::string& key : server().command({"KEYS", keys}).strings())
      EXPECT_TRUE(key.ends_with(":settings") || key.find(":producer:") != std::string::npos) << key;
  }
  EXPECT_EQ(setting("whole", "partitions"), "16") << "what was set stays";
}

// Messages that were there before the topic had partitions, and producers that do not know yet.
TEST_F(QueuePartitions, ATopicInUseGetsThemStepByStep) {
  RedisMessageQueue queue(config());
  RedisMessageQueue other(config());
  produce(queue, "grows", "before", ProduceOptions{}.message_id("old").ttl(1h));
  configure(queue, "grows", 4);
  EXPECT_EQ(setting("grows", "active"), "") << "nobody has claimed from the new ones";
  EXPECT_EQ(produce(other, "grows", "twin", ProduceOptions{}.message_id("old")), "old");
  EXPECT_EQ(total("grows", 4, "produced"), 1);
  auto go = std::make_shared<std::atomic<bool>>(false);
  auto journal = std::make_shared<Journal>();
  other.register_handler("grows", [journal, go](Context& context) -> Task<> {
    journal->add(context);
    while (!*go) co_await sleep_for(2ms);
  });
  start(other);
  ASSERT_TRUE(wait_setting("grows", "active", "4"));
  ASSERT_TRUE(journal->wait_size(1));
  EXPECT_EQ(setting("grows", "ids_active"), "") << "an id that went by the old number is in work";
  EXPECT_EQ(produce(queue, "grows", "twin", ProduceOptions{}.message_id("old")), "old");
  EXPECT_EQ(total("grows", 4, "produced"), 1) << "it is found where it is";
  for (int i = 0; i < 40; ++i)
    produce(queue, "grows", i, ProduceOptions{}.key("k" + std::to_string(i)));
  EXPECT_EQ(stat(server(), "grows", "produced"), 41) << "keys go by the old number, too";
  *go = true;
  stop(other);
}

TEST_F(QueuePartitions, IdsAndKeysGoByTheNewNumberWhenNoneIsInUse) {
  RedisMessageQueue queue(config());
  auto journal = std::make_shared<Journal>();
  queue.register_handler("grows", recorder(journal));
  start(queue);
  produce(queue, "grows", "id", ProduceOptions{}.message_id("once"));
  produce(queue, "grows", "plain");
  ASSERT_TRUE(journal->wait_size(2));
  ASSERT_TRUE(wait_drained(server(), "grows"));
  configure(queue, "grows", 4);
  ASSERT_TRUE(wait_setting("grows", "active", "4"));
  ASSERT_TRUE(wait_setting("grows", "ids_active", "4"));
  for (int i = 0; i < 40; ++i)
    produce(queue, "grows", i, ProduceOptions{}.message_id(std::to_string(i)));
  ASSERT_TRUE(journal->wait_size(42));
  for (const std::int64_t here : stats("grows", 4, "produced")) EXPECT_GT(here, 0);
  EXPECT_TRUE(sound_and_empty("grows", 4));
  stop(queue);
}

// Produces plain messages, messages of keys of its own, in order, and messages with chosen ids, one
// after the other, and notes the ids.
void produce_load(RedisMessageQueue* queue, int who, const std::atomic<int>* rounds,
                  std::atomic<int>* done, Strings* ids) {
  for (int round = 0; round < *rounds; ++round) {
    json plain = json::array({-1, round});
    ids->push_back(sync_wait(queue->produce("load", std::move(plain))));
    for (int i = 0; i < 2; ++i) {
      const int key = 2 * who + i;
      json keyed = json::array({key, round});
      ids->push_back(sync_wait(queue->produce("load", std::move(keyed),
                                              ProduceOptions{}.key("key-" + std::to_string(key)))));
    }
    const std::string id = std::to_string(who) + "." + std::to_string(round);
    json chosen = json::array({-1, round});
    ids->push_back(
        sync_wait(queue->produce("load", std::move(chosen), ProduceOptions{}.message_id(id))));
    ++*done;
  }
}

// Nobody stops for it: neither those who produce, of whom each has knowledge of its own, nor those
// who consume.
TEST_F(QueuePartitions, GrowsUnderLoadWithoutLossTwinsOrDisorder) {
  constexpr int producers = 3;
  MQConfig alone = config();
  alone.max_workers = 1;  // so that the order can be seen
  RedisMessageQueue worker(alone);
  auto journal = std::make_shared<Journal>();
  worker.register_handler("load", recorder(journal));
  start(worker);
  std::atomic<int> rounds{1'000'000};
  std::atomic<int> done{0};
  std::vector<std::unique_ptr<RedisMessageQueue>> queues;
  std::vector<Strings> ids(producers);
  std::vector<std::thread> threads;
  for (int i = 0; i < producers; ++i) {
    queues.push_back(std::make_unique<RedisMessageQueue>(config()));
    threads.emplace_back(produce_load, queues.back().get(), i, &rounds, &done,
                         &ids[static_cast<std::size_t>(i)]);
  }
  const auto wait_more = [&](int more) {
    const int enough = done + more;
    return wait_for(patience, [&] { return done >= enough; });
  };
  EXPECT_TRUE(wait_more(60));
  configure(worker, "load", 2);
  EXPECT_TRUE(wait_setting("load", "active", "2"));
  EXPECT_TRUE(wait_more(60));
  configure(worker, "load", 4);
  EXPECT_TRUE(wait_setting("load", "active", "4"));
  EXPECT_TRUE(wait_more(60));
  // The keys and ids that went by the old number count as in work for longer than a test lasts: as
  // if that time had passed.
  EXPECT_EQ(setting("load", "ids_active"), "");
  rounds = 0;
  for (auto& thread : threads) thread.join();
  std::set<std::string> all;
  std::size_t produced = 0;
  for (const Strings& each : ids) {
    produced += each.size();
    all.insert(each.begin(), each.end());
  }
  EXPECT_EQ(all.size(), produced) << "all ids are different";
  ASSERT_TRUE(journal->wait_size(produced));
  EXPECT_TRUE(sound_and_empty("load", 4));
  for (int i = 0; i < 4; ++i)
    server().command({"HDEL", key_of(broker::partition_tag("load", i), "settings"), "ids_until"});
  EXPECT_TRUE(wait_setting("load", "ids_active", "4"));
  rounds = 50;
  for (std::size_t i = 0; i < producers; ++i) {
    Strings again;
    produce_load(queues[i].get(), static_cast<int>(i + producers), &rounds, &done, &again);
    produced += again.size();
    all.insert(again.begin(), again.end());
  }
  ASSERT_TRUE(journal->wait_size(produced));
  EXPECT_TRUE(sound_and_empty("load", 4));
  std::set<std::string> handled;
  std::map<int, int> next;
  for (const Handled& run : journal->runs()) {
    EXPECT_TRUE(handled.insert(run.id).second) << "twice: " << run.id;
    const int key = run.payload[0].get<int>();
    if (key >= 0) {
      EXPECT_EQ(run.payload[1], next[key]++) << "key " << key;
    }
  }
  EXPECT_EQ(handled, all);
  for (const std::int64_t here : stats("load", 4, "produced")) EXPECT_GT(here, 0);
  stop(worker);
}

TEST_F(QueuePartitions, WhatAKilledWorkerHeldInAnyPartitionIsTakenOver) {
  RedisMessageQueue queue(config());
  configure(queue, "kill", 4);
  const Strings quick{"MQ_LEASE=1s", "MQ_EXPIRED_CHECK_INTERVAL=200ms", "MQ_MAX_WORKERS=8"};
  ChildProcess first = start_worker(server(), "kill", "kill-a", quick);
  ASSERT_TRUE(wait_output(first, "ready"));
  Strings ids;
  for (int i = 0; i < 8; ++i) {
    json payload = {{"do", "sleep"}, {"ms", i < 4 ? 600'000 : 0}};
    ids.push_back(produce(queue, "kill", std::move(payload)));
  }
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(wait_output(first, "begin " + ids[i])) << i;
  ASSERT_TRUE(wait_for(patience, [&] { return total("kill", 4, "completed") == 4; }));
  first.kill();
  ChildProcess heir = start_worker(server(), "kill", "kill-b", quick);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(wait_output(heir, "begin " + ids[i])) << i;
  for (int i = 4; i < 8; ++i)
    EXPECT_EQ(occurrences(heir.output(), "begin " + ids[i]), 0U) << "it was acknowledged";
  heir.kill();
}

}  // namespace
}  // namespace mx_rmq::test
