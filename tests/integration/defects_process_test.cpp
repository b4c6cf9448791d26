// Faults of the Python original around workers that die, sleep or have another clock: each worker
// is a process.
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <ctime>

#include "support/queue_fixture.hpp"

namespace mx_rmq::test {
namespace {

class Defects : public QueueTest {
 protected:
  static Strings short_lease() {
    return {"MQ_LEASE=1s", "MQ_EXPIRED_CHECK_INTERVAL=200ms",
            "MQ_PROCESSING_MONITOR_INTERVAL=200ms", "MQ_MAX_RECOVERIES=3",
            "MQ_SHUTDOWN_TIMEOUT=5s"};
  }
  static json task(const char* what, int ms = 0) { return json{{"do", what}, {"ms", ms}}; }
};

TEST_F(Defects, P04_a_message_that_kills_its_worker_is_a_dead_letter_in_the_end) {
  RedisMessageQueue producer(config());
  const std::string bad = produce(producer, "t", task("exit"));
  std::vector<std::string> good;
  for (int i = 0; i < 13; ++i) good.push_back(produce(producer, "t", task("ok")));
  int starts = 0;
  int crashes = 0;
  ChildProcess worker;
  const bool settled = wait_for(
      90s,
      [&] {
        if (!worker.running()) {
          if (starts > 0) ++crashes;
          worker = start_worker(server(), "t", "f04-" + std::to_string(starts++), short_lease());
        }
        return drained(server(), "t");
      },
      20ms);
  ASSERT_TRUE(settled);
  EXPECT_EQ(stat(server(), "t", "completed"), 13) << "no innocent is condemned with it";
  const auto letters = sync_wait(producer.dead_letters().list("t"));
  ASSERT_EQ(letters.size(), 1u);
  EXPECT_EQ(letters[0].message.id, bad);
  EXPECT_EQ(letters[0].reason, "poison");
  EXPECT_LE(crashes, 4) << "the first delivery and three recoveries";
  EXPECT_TRUE(worker.running());
}

TEST_F(Defects, P05_first_redelivery_comes_within_the_lease_and_one_sweep) {
  RedisMessageQueue producer(config());
  ChildProcess first = start_worker(server(), "t", "f05-a", short_lease());
  const std::string id = produce(producer, "t", task("sleep", 60'000));
  ASSERT_TRUE(wait_output(first, "begin " + id));
  Strings later = short_lease();
  later.push_back("MQ_RETRY_DELAYS=60s,300s,1800s");
  ChildProcess second = start_worker(server(), "t", "f05-b", later);
  ASSERT_TRUE(wait_output(second, "ready"));
  first.kill();
  const auto died = WaitClock::now();
  ASSERT_TRUE(wait_output(second, "begin " + id));
  // 1 s of lease, a sweep each 200 ms, and what a loaded machine takes: far below any retry delay.
  EXPECT_LT(WaitClock::now() - died, 6s);
  EXPECT_EQ(stat(server(), "t", "recovered"), 1);
}

TEST_F(Defects, P07_a_worker_that_slept_beyond_its_lease_changes_nothing) {
  RedisMessageQueue producer(config());
  ChildProcess sleeper = start_worker(server(), "t", "f07-a", short_lease());
  const std::string id = produce(producer, "t", task("hold", 4000));
  ASSERT_TRUE(wait_output(sleeper, "begin " + id));
  sleeper.pause();
  ChildProcess heir = start_worker(server(), "t", "f07-b", short_lease());
  ASSERT_TRUE(wait_output(heir, "begin " + id)) << "the lease ran out";
  sleeper.resume();
  ASSERT_TRUE(wait_output(sleeper, "stopped " + id)) << "it is told";
  ASSERT_TRUE(wait_output(sleeper, "end " + id));
  ASSERT_TRUE(wait_output(heir, "end " + id));
  ASSERT_TRUE(wait_drained(server(), "t"));
  EXPECT_EQ(stat(server(), "t", "completed"), 1) << "the heir's";
  EXPECT_EQ(occurrences(heir.output(), "stopped"), 0u);
  EXPECT_EQ(stat(server(), "t", "retried") + stat(server(), "t", "dead"), 0);
  EXPECT_NE(sleeper.output().find("lost"), std::string::npos) << "it is loud:\n"
                                                              << sleeper.output();
  EXPECT_TRUE(sound(audit(server(), "t")));
  // And it goes on under another name.
  heir.kill();
  const std::string next = produce(producer, "t", task("ok"));
  EXPECT_TRUE(wait_output(sleeper, "end " + next));
}

TEST_F(Defects, P07_a_refused_settlement_is_counted_and_changes_nothing) {
  const auto journal = std::make_shared<Journal>();
  const auto go = std::make_shared<std::atomic<bool>>(false);
  MQConfig quiet = config();
  quiet.expired_check_interval = 60s;
  quiet.processing_monitor_interval = 60s;
  quiet.lease = 60s;
  RedisMessageQueue queue(quiet);
  queue.register_handler("t", [journal, go](Context& context) -> Task<> {
    journal->add(context);
    while (!*go) co_await sleep_for(5ms);
  });
  start(queue);
  produce(queue, "t", 1);
  ASSERT_TRUE(journal->wait_size(1));
  // Neither a claim nor a tend is to notice before the settlement does.
  ASSERT_TRUE(wait_for(patience, [&] {
    return server().command({"ZCOUNT", key_of("t", "idle"), "(0", "+inf"}).num() == 1;
  }));
  // What a reaper and another worker would have left.
  const std::string entries = key_of("t", "consumers");
  const Strings consumers = server().command({"ZRANGE", entries, "0", "-1"}).strings();
  ASSERT_EQ(consumers.size(), 1u);
  const std::string held = key_of("t", "processing:" + consumers[0]);
  const Strings envelopes = server().command({"HVALS", held}).strings();
  ASSERT_EQ(envelopes.size(), 1u);
  const std::string heirs = key_of("t", "processing:heir.1");
  server().command({"ZADD", entries, "9999999999999", "heir.1"});
  server().command({"HSET", heirs, "1.1", envelopes[0]});
  server().command({"DEL", held});
  server().command({"ZREM", entries, consumers[0]});
  *go = true;
  ASSERT_TRUE(wait_for(patience, [&] { return stat(server(), "t", "lease_lost") == 1; }));
  EXPECT_EQ(server().command({"HGET", heirs, "1.1"}).str(), envelopes[0]);
  EXPECT_EQ(stat(server(), "t", "completed"), 0);
  const Audit numbers = audit(server(), "t");
  EXPECT_EQ(numbers.at("processing"), 1);
  EXPECT_TRUE(sound(numbers));
  // It goes on under another name.
  const std::string next = produce(queue, "t", 2);
  EXPECT_TRUE(wait_for(patience, [&] { return stat(server(), "t", "completed") == 1; }));
  EXPECT_EQ(journal->count(next), 1u);
}

TEST_F(Defects, P28_a_client_clock_an_hour_off_changes_nothing) {
  for (const int skew : {3600, -3600}) {
    server().command({"FLUSHALL"});
    Strings environment = short_lease();
    environment.push_back("MX_RMQ_TEST_SKEW=" + std::to_string(skew));
    const std::string name = "f28" + std::to_string(skew);
    ChildProcess worker = start_worker(server(), "t", name, environment, {"produce"});
    RedisMessageQueue producer(config());
    const std::string now = produce(producer, "t", task("sleep", 1500), ProduceOptions{}.ttl(60s));
    const std::string later =
        produce(producer, "t", task("ok"), ProduceOptions{}.delay(300ms).ttl(60s));
    ASSERT_TRUE(wait_output(worker, "end " + now)) << worker.output();
    ASSERT_TRUE(wait_output(worker, "end " + later)) << worker.output();
    ASSERT_TRUE(wait_drained(server(), "t"));
    const std::string output = worker.output();
    EXPECT_EQ(occurrences(output, "begin"), 3u) << "each once, its own too:\n" << output;
    EXPECT_EQ(stat(server(), "t", "recovered"), 0) << output;
    EXPECT_EQ(stat(server(), "t", "expired"), 0) << output;
    const long wall = std::stol(output.substr(output.find("wall ") + 5));
    EXPECT_GT(std::abs(wall - std::time(nullptr)), 3000) << "its clock was off indeed";
  }
}

TEST_F(Defects, P17_run_consumes_until_a_signal_and_ends_well) {
  for (const int number : {SIGTERM, SIGINT}) {
    server().command({"FLUSHALL"});
    ChildProcess worker =
        start_worker(server(), "t", "f17-" + std::to_string(number), short_lease());
    RedisMessageQueue producer(config());
    const std::string id = produce(producer, "t", task("sleep", 300));
    ASSERT_TRUE(wait_output(worker, "begin " + id));
    worker.signal(number);
    const auto ended = worker.wait(patience);
    ASSERT_TRUE(ended.has_value());
    EXPECT_TRUE(ended->exited);
    EXPECT_EQ(ended->code, 0) << worker.output();
    EXPECT_NE(worker.output().find("end " + id), std::string::npos) << "the run under way ends";
    EXPECT_NE(worker.output().find("bye"), std::string::npos);
    EXPECT_EQ(stat(server(), "t", "completed"), 1);
    EXPECT_EQ(server().command({"ZCARD", key_of("t", "consumers")}).num(), 0) << "it has left";
  }
}

}  // namespace
}  // namespace mx_rmq::test
