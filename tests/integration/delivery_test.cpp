// Every message is delivered: without faults once and in order; with faults at least once, and each
// further time explained by a fault.
#include <atomic>
#include <random>
#include <set>
#include <thread>

#include "support/delivery_fixture.hpp"

namespace mx_rmq::test {
namespace {

using namespace std::chrono_literals;

constexpr auto long_enough = 240s;

TEST_F(Delivery, four_threads_to_four_processes_hands_each_message_over_exactly_once) {
  const std::int64_t messages = scaled<std::int64_t>(100'000);
  std::vector<ChildProcess> workers;
  for (int i = 0; i < 4; ++i) workers.push_back(start_worker({"MQ_TASK_QUEUE_SIZE=64"}));
  {
    RedisMessageQueue queue(config());
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&, i] {
        sync_wait(produce_numbers(&queue, order_topic, i * messages / 4, messages / 4, 250));
      });
    for (auto& thread : threads) thread.join();
  }
  ASSERT_TRUE(wait_for(
      long_enough, [&] { return settled(messages); }, 20ms))
      << stat("completed");
  for (auto& worker : workers) {
    worker.signal(SIGTERM);
    const auto end = worker.wait(30s);
    ASSERT_TRUE(end && end->exited && end->code == 0) << worker.output();
  }
  const auto runs = runs_of(read_ledger(ledger_path()));
  EXPECT_EQ(runs.size(), static_cast<std::size_t>(messages));
  std::int64_t wrong = 0;
  for (const auto& [n, run] : runs) wrong += run.begun.size() != 1 || run.ended != 1;
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(stat("completed"), messages);
  EXPECT_EQ(stat("recovered"), 0);
}

TEST_F(Delivery, one_worker_takes_high_before_normal_before_low_and_each_in_order) {
  const std::int64_t each = 300;
  {
    RedisMessageQueue queue(config());
    for (std::int64_t n = 0; n < each; ++n) {
      std::vector<OutgoingMessage> three;
      three.emplace_back(order_topic, numbered(2000 + n),
                         ProduceOptions().priority(MessagePriority::low));
      three.emplace_back(order_topic, numbered(1000 + n));
      three.emplace_back(order_topic, numbered(n),
                         ProduceOptions().priority(MessagePriority::high));
      sync_wait(queue.produce_batch(std::move(three)));
    }
  }
  auto worker = start_worker({"MQ_MAX_WORKERS=1"});
  ASSERT_TRUE(wait_for(
      long_enough, [&] { return settled(3 * each); }, 20ms));
  std::vector<std::int64_t> order;
  for (const Record& record : read_ledger(ledger_path()))
    if (record.op == Op::run_begins) order.push_back(static_cast<std::int64_t>(record.key));
  std::vector<std::int64_t> expected;
  for (std::int64_t level = 0; level < 3; ++level)
    for (std::int64_t n = 0; n < each; ++n) expected.push_back(1000 * level + n);
  EXPECT_EQ(order, expected);
}

TEST_F(Delivery, workers_killed_again_and_again_lose_nothing_and_repeat_only_what_they_held) {
  const std::int64_t messages = scaled<std::int64_t>(5'000);
  const std::vector<std::string> environment = {"MQ_LEASE=1", "MQ_EXPIRED_CHECK_INTERVAL=500ms",
                                                "MQ_MAX_RECOVERIES=1000", "MQ_TASK_QUEUE_SIZE=16"};
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  {
    RedisMessageQueue queue(config());
    sync_wait(produce_numbers(&queue, order_topic, 0, messages, 500));
  }
  std::vector<ChildProcess> workers;
  for (int i = 0; i < 3; ++i) workers.push_back(start_worker(environment, 2000));
  std::set<int> killed;
  const auto began = WaitClock::now();
  while (stat("completed") < messages * 3 / 4 && WaitClock::now() - began < 60s) {
    const auto before = stat("completed");
    wait_for(
        2s, [&] { return stat("completed") > before + 50; }, 5ms);
    auto& victim = workers[random() % workers.size()];
    killed.insert(victim.pid());
    victim.kill();
    victim = start_worker(environment, 2000);
  }
  EXPECT_GE(killed.size(), 3u) << "vacuous: too few were killed";
  ASSERT_TRUE(wait_for(
      long_enough, [&] { return settled(messages); }, 20ms))
      << stat("completed") << " of " << messages;
  EXPECT_EQ(stat("dead"), 0);
  const auto runs = runs_of(read_ledger(ledger_path()));
  std::int64_t lost = 0;
  std::int64_t unexplained = 0;
  for (std::int64_t n = 0; n < messages; ++n) {
    const auto run = runs.find(n);
    if (run == runs.end() || run->second.ended == 0) {
      ++lost;
      continue;
    }
    std::size_t by_the_living = 0;
    for (const int pid : run->second.begun) by_the_living += !killed.contains(pid);
    unexplained += by_the_living > 1;
  }
  EXPECT_EQ(lost, 0);
  EXPECT_EQ(unexplained, 0);
}

class DeliveryOnDisk : public Delivery {
 protected:
  DeliveryOnDisk() : Delivery(options()) {}
  static RedisOptions options() {
    RedisOptions made;
    made.appendonly = true;
    made.appendfsync = "always";
    return made;
  }
};

TEST_F(DeliveryOnDisk, a_server_killed_and_restarted_under_load_loses_nothing) {
  const std::vector<std::string> environment = {"MQ_LEASE=3", "MQ_EXPIRED_CHECK_INTERVAL=1"};
  std::vector<ChildProcess> workers;
  for (int i = 0; i < 2; ++i) workers.push_back(start_worker(environment, 500));
  std::atomic<bool> go{true};
  std::atomic<std::int64_t> next{0};
  std::mutex mutex;
  std::set<std::int64_t> acknowledged;
  std::vector<std::string> errors;
  auto producing = config();
  producing.produce_timeout = 30s;
  {
    RedisMessageQueue queue(producing);
    std::vector<std::thread> producers;
    for (int i = 0; i < 3; ++i)
      producers.emplace_back([&] {
        while (go) {
          const std::int64_t n = next++;
          try {
            sync_wait(queue.produce(order_topic, numbered(n)));
            const std::lock_guard lock(mutex);
            acknowledged.insert(n);
          } catch (const std::exception& e) {
            const std::lock_guard lock(mutex);
            errors.push_back(e.what());
          }
        }
      });
    for (int kill = 0; kill < 4; ++kill) {
      const auto before = next.load();
      EXPECT_TRUE(wait_for(30s, [&] { return next.load() > before + 200; }));
      server.kill9();
      server.restart();
    }
    const auto before = next.load();
    EXPECT_TRUE(wait_for(30s, [&] { return next.load() > before + 200; }));
    go = false;
    for (auto& producer : producers) producer.join();
  }
  EXPECT_TRUE(errors.empty()) << errors.size() << " produces failed, first: " << errors.front();
  const auto expected = static_cast<std::int64_t>(acknowledged.size());
  ASSERT_TRUE(wait_for(
      long_enough, [&] { return settled(expected); }, 20ms))
      << stat("completed") << " of " << expected;
  const auto runs = runs_of(read_ledger(ledger_path()));
  std::int64_t lost = 0;
  for (const auto n : acknowledged) {
    const auto run = runs.find(n);
    lost += run == runs.end() || run->second.ended == 0;
  }
  EXPECT_EQ(lost, 0);
  EXPECT_EQ(stat("dead"), 0);
  for (auto& worker : workers) EXPECT_TRUE(worker.running()) << worker.output();
}

TEST_F(Delivery, flushing_the_scripts_all_the_time_is_felt_by_nobody) {
  auto worker = start_worker({}, 0);
  const std::int64_t part = scaled<std::int64_t>(5'000);
  std::int64_t messages = 0;
  std::atomic<bool> go{true};
  std::atomic<std::int64_t> flushes = 0;
  std::thread flusher([&] {
    RedisClient client = server.connect();
    while (go) {
      client.command({"SCRIPT", "FLUSH"});
      ++flushes;
      std::this_thread::sleep_for(10ms);  // the rate of the fault, not a wait
    }
  });
  {
    // However fast it is: until the fault has been there.
    RedisMessageQueue queue(config());
    do {
      EXPECT_NO_THROW(sync_wait(produce_numbers(&queue, order_topic, messages, part, 20)));
      messages += part;
    } while (flushes <= 5 && !HasFailure());
  }
  EXPECT_TRUE(wait_for(
      long_enough, [&] { return settled(messages); }, 20ms))
      << stat("completed");
  go = false;
  flusher.join();
  const auto runs = runs_of(read_ledger(ledger_path()));
  std::int64_t wrong = 0;
  for (const auto& [n, run] : runs) wrong += run.begun.size() != 1;
  EXPECT_EQ(runs.size(), static_cast<std::size_t>(messages));
  EXPECT_EQ(wrong, 0);
  const std::string log = worker.output();
  EXPECT_EQ(log.find("error"), std::string::npos) << log;
}

TEST_F(Delivery, a_message_that_kills_its_worker_takes_none_of_its_neighbours_with_it) {
  {
    RedisMessageQueue queue(config());
    std::vector<OutgoingMessage> messages;
    for (std::int64_t n = 0; n < 14; ++n) {
      auto payload = numbered(n);
      if (n == 6) payload["kill"] = true;
      messages.emplace_back(order_topic, std::move(payload));
    }
    sync_wait(queue.produce_batch(std::move(messages)));
  }
  const std::vector<std::string> environment = {"MQ_LEASE=500ms", "MQ_EXPIRED_CHECK_INTERVAL=200ms",
                                                "MQ_MAX_WORKERS=5", "MQ_TASK_QUEUE_SIZE=16"};
  int restarts = 0;
  auto worker = start_worker(environment, 20'000);
  const bool done = wait_for(
      120s,
      [&] {
        if (!worker.running()) {
          ++restarts;
          worker = start_worker(environment, 20'000);
        }
        return settled(14);
      },
      5ms);
  EXPECT_TRUE(done) << "completed " << stat("completed") << " dead " << stat("dead") << "\n"
                    << worker.output();
  EXPECT_EQ(stat("dead"), 1);
  EXPECT_EQ(stat("completed"), 13);
  EXPECT_EQ(restarts, 4);  // MQConfig::max_recoveries is 3, and one more
  RedisMessageQueue queue(config());
  const auto dead = sync_wait(queue.dead_letters().list(order_topic));
  ASSERT_EQ(dead.size(), 1u);
  EXPECT_EQ(dead[0].reason, "poison");
  EXPECT_EQ(dead[0].message.payload.at("n"), 6);
}

}  // namespace
}  // namespace mx_rmq::test
