// Starting, stopping, status, and the end, as DESIGN's public contract has them.
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <mutex>
#include <thread>

#include "support/queue_fixture.hpp"

namespace mx_rmq::test {
namespace {

class QueueLifecycle : public QueueTest {};

using Flag = std::shared_ptr<std::atomic<bool>>;

auto waits_for(std::shared_ptr<Journal> journal, Flag go) {
  return [journal, go](Context& context) -> Task<> {
    journal->add(context);
    while (!*go) co_await sleep_for(5ms);
  };
}

TEST_F(QueueLifecycle, StatusTellsWhatItDoes) {
  const auto journal = std::make_shared<Journal>();
  const auto go = std::make_shared<std::atomic<bool>>(false);
  MQConfig one = config();
  one.max_workers = 1;
  one.task_queue_size = 2;
  RedisMessageQueue queue(one);
  EXPECT_FALSE(queue.status().initialized);
  sync_wait(queue.initialize());
  EXPECT_TRUE(queue.status().initialized);
  EXPECT_FALSE(queue.status().running);
  queue.register_handler("b", waits_for(journal, go));
  queue.register_handler("a", waits_for(journal, go));
  for (int i = 0; i < 3; ++i) produce(queue, "a", i);
  start(queue);
  EXPECT_TRUE(queue.status().running);
  EXPECT_TRUE(queue.is_running());
  EXPECT_EQ(queue.status().registered_topics, (Strings{"a", "b"}));
  ASSERT_TRUE(wait_for(patience, [&] {
    const QueueStatus status = queue.status();
    // One of the two places is kept for the other topic.
    return status.active_handlers == 1 && status.local_queue_size == 1;
  }));
  EXPECT_TRUE(wait_for(patience, [&] { return queue.status().uptime >= 1s; }));
  std::thread stopper([&] { stop(queue); });
  EXPECT_TRUE(wait_for(patience, [&] { return queue.status().shutting_down; }));
  *go = true;
  stopper.join();
  const QueueStatus status = queue.status();
  EXPECT_FALSE(status.running);
  EXPECT_FALSE(status.shutting_down);
  EXPECT_EQ(status.active_handlers + status.local_queue_size, 0u);
  EXPECT_EQ(status.uptime, 0s);
}

TEST_F(QueueLifecycle, StopTwiceFromSeveralThreadsAndBeforeStartIsHarmless) {
  const auto journal = std::make_shared<Journal>();
  RedisMessageQueue queue(config());
  stop(queue);
  queue.register_handler("t", recorder(journal));
  start(queue);
  start(queue);
  produce(queue, "t", 1);
  ASSERT_TRUE(journal->wait_size(1));
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) threads.emplace_back([&] { stop(queue); });
  }
  stop(queue);
  EXPECT_FALSE(queue.is_running());
  EXPECT_EQ(server().command({"ZCARD", key_of("t", "consumers")}).num(), 0);
}

TEST_F(QueueLifecycle, ProducingWorksAfterStopAndNotAfterCleanupAndAStartBeginsAnew) {
  const auto journal = std::make_shared<Journal>();
  RedisMessageQueue queue(config());
  queue.register_handler("t", recorder(journal));
  start(queue);
  stop(queue);
  produce(queue, "t", "after stop");
  EXPECT_EQ(journal->size(), 0u);
  sync_wait(queue.cleanup());
  sync_wait(queue.cleanup());
  EXPECT_THROW(sync_wait(queue.produce("t", 1)), ShutdownError);
  EXPECT_THROW(sync_wait(queue.dead_letters().count("t")), ShutdownError);
  EXPECT_THROW(sync_wait(queue.metrics().collect({"t"})), ShutdownError);
  EXPECT_THROW(sync_wait(queue.cancel("t", "x")), ShutdownError);
  sync_wait(queue.initialize());
  produce(queue, "t", "after initialize");
  start(queue);
  ASSERT_TRUE(journal->wait_size(2));
  EXPECT_EQ(journal->payloads(), (std::vector<json>{"after stop", "after initialize"}));
}

TEST_F(QueueLifecycle, AHandlerRegisteredWhileRunningConsumes) {
  const auto journal = std::make_shared<Journal>();
  RedisMessageQueue queue(config());
  queue.register_handler("first", recorder(journal));
  start(queue);
  produce(queue, "second", 2);
  queue.register_handler("second", recorder(journal));
  EXPECT_TRUE(journal->wait_size(1));
  produce(queue, "second", 3);
  EXPECT_TRUE(journal->wait_size(2));
}

TEST_F(QueueLifecycle, AHandlerThatOutlastsTheShutdownTimeIsToldAndItsMessageGivenBack) {
  for (const auto timeout : {0ms, 300ms}) {
    server().command({"FLUSHALL"});
    MQConfig hasty = config();
    hasty.shutdown_timeout = timeout;
    const auto journal = std::make_shared<Journal>();
    const auto told = std::make_shared<std::atomic<bool>>(false);
    const auto go = std::make_shared<std::atomic<bool>>(false);
    const auto ended = std::make_shared<std::atomic<bool>>(false);
    RedisMessageQueue queue(hasty);
    queue.register_handler("t", [journal, told, go, ended](Context& context) -> Task<> {
      journal->add(context);
      while (!*go) {
        if (context.stop_token().stop_requested()) *told = true;
        co_await sleep_for(5ms);
      }
      *ended = true;
    });
    start(queue);
    const std::string id = produce(queue, "t", 1);
    ASSERT_TRUE(journal->wait_size(1));
    const auto began = WaitClock::now();
    stop(queue);
    EXPECT_LT(WaitClock::now() - began, 10s) << "bounded";
    EXPECT_TRUE(*told);
    EXPECT_FALSE(*ended);
    Audit numbers = audit(server(), "t");
    EXPECT_EQ(numbers["ready"], 1);
    EXPECT_EQ(numbers["processing"], 0);
    const auto second = std::make_shared<Journal>();
    RedisMessageQueue next(config());
    next.register_handler("t", recorder(second));
    start(next);
    ASSERT_TRUE(second->wait_size(1));
    EXPECT_EQ(second->runs()[0].id, id);
    EXPECT_EQ(second->runs()[0].attempt, 1) << "what a stop cuts short is no attempt";
    *go = true;
    EXPECT_TRUE(wait_for(patience, [&] { return ended->load(); }));
    ASSERT_TRUE(wait_drained(server(), "t"));
    EXPECT_EQ(stat(server(), "t", "completed"), 1) << "a late result is ignored";
  }
}

// Runs until `go`. One that obeys fails as soon as its stop token fires.
auto until(std::shared_ptr<Journal> journal, Flag go, bool obeys) {
  return [journal, go, obeys](Context& context) -> Task<> {
    journal->add(context);
    while (!*go) {
      if (obeys && context.stop_token().stop_requested()) throw std::runtime_error("told to stop");
      co_await sleep_for(5ms);
    }
  };
}

// One start and stop of a queue while its handler runs.
void deploy(const MQConfig& config, bool obeys, Flag go) {
  const auto journal = std::make_shared<Journal>();
  RedisMessageQueue queue(config);
  queue.register_handler("t", until(journal, go, obeys));
  sync_wait(queue.start_background());
  EXPECT_TRUE(journal->wait_size(1));
  sync_wait(queue.stop());
}

TEST_F(QueueLifecycle, StopsMakeNoDeadLettersHoweverFewRetriesThereAre) {
  for (const bool obeys : {true, false}) {
    for (const int retries : {0, 1}) {
      server().command({"FLUSHALL"});
      MQConfig hasty = config();
      hasty.shutdown_timeout = 0ms;
      hasty.max_retries = retries;
      const auto go = std::make_shared<std::atomic<bool>>(false);
      RedisMessageQueue producer(config());
      const std::string id = produce(producer, "t", 1);
      for (int i = 0; i < 5; ++i) deploy(hasty, obeys, go);
      *go = true;
      EXPECT_EQ(stat(server(), "t", "dead"), 0) << obeys << retries;
      const auto seen = std::make_shared<MessageMeta>();
      const auto attempt = std::make_shared<std::atomic<int>>(0);
      RedisMessageQueue last(hasty);
      last.register_handler("t", [seen, attempt](Context& context) -> Task<> {
        *seen = context.message().meta;
        *attempt = context.attempt();
        co_return;
      });
      start(last);
      ASSERT_TRUE(wait_for(patience, [&] { return stat(server(), "t", "completed") == 1; }));
      EXPECT_EQ(*attempt, 1);
      EXPECT_EQ(seen->interruptions, 5);
      EXPECT_EQ(seen->retry_count, 0);
      EXPECT_TRUE(seen->attempt_times.empty());
      EXPECT_FALSE(seen->last_error.has_value());
    }
  }
}

TEST_F(QueueLifecycle, TooManyStopsAreADeadLetterWithAReasonOfItsOwn) {
  MQConfig hasty = config();
  hasty.shutdown_timeout = 0ms;
  hasty.max_retries = 7;
  hasty.max_interruptions = 2;
  const auto go = std::make_shared<std::atomic<bool>>(false);
  RedisMessageQueue queue(config());
  const std::string id = produce(queue, "t", 1);
  for (int i = 0; i < 3; ++i) deploy(hasty, true, go);
  *go = true;
  const auto letter = sync_wait(queue.dead_letters().get("t", id));
  ASSERT_TRUE(letter.has_value());
  EXPECT_EQ(letter->reason, "interrupted");
  EXPECT_TRUE(letter->last_error.starts_with("interrupted by a stop of its queue 3 times"))
      << letter->last_error;
  const MessageMeta& meta = letter->message.meta;
  EXPECT_EQ(meta.interruptions, 3);
  EXPECT_EQ(meta.retry_count, 0);
  EXPECT_EQ(meta.max_retries, 7);
  ASSERT_TRUE(meta.processing_started_at.has_value());
  EXPECT_GE(*meta.processing_started_at, letter->message.created_at);
  // It begins anew when somebody puts it back.
  ASSERT_TRUE(sync_wait(queue.dead_letters().requeue("t", id)));
  for (int i = 0; i < 2; ++i) {
    *go = false;
    deploy(hasty, true, go);
  }
  EXPECT_EQ(stat(server(), "t", "dead"), 1);
  EXPECT_EQ(audit(server(), "t")["ready"], 1);
}

TEST_F(QueueLifecycle, TheDestructorStopsWhatRuns) {
  const auto journal = std::make_shared<Journal>();
  const auto go = std::make_shared<std::atomic<bool>>(true);
  {
    RedisMessageQueue queue(config());
    queue.register_handler("t", [journal](Context& context) -> Task<> {
      journal->add(context);
      co_await sleep_for(200ms);
    });
    start(queue);
    produce(queue, "t", 1);
    ASSERT_TRUE(journal->wait_size(1));
  }
  EXPECT_EQ(stat(server(), "t", "completed"), 1);
  EXPECT_EQ(server().command({"ZCARD", key_of("t", "consumers")}).num(), 0);
  EXPECT_TRUE(wait_for(patience, [&] {
    return occurrences(server().command({"CLIENT", "LIST"}).str(), "name=mx-rmq") == 0;
  })) << "its connections are closed";
}

TEST_F(QueueLifecycle, StoppingWhileRedisIsAwayIsBounded) {
  RedisServer away;
  MQConfig hasty = quick_config(away.url());
  hasty.shutdown_timeout = 300ms;
  const auto journal = std::make_shared<Journal>();
  RedisMessageQueue queue(hasty);
  queue.register_handler("t", recorder(journal));
  start(queue);
  produce(queue, "t", 1);
  ASSERT_TRUE(journal->wait_size(1));
  away.pause();
  const auto began = WaitClock::now();
  stop(queue);
  sync_wait(queue.cleanup());
  EXPECT_LT(WaitClock::now() - began, 15s);
  away.resume();
}

TEST_F(QueueLifecycle, StartingWithoutRedisIsAnErrorAndNothingRuns) {
  MQConfig nowhere = quick_config("unix://" + server().directory() + "/nobody.sock");
  nowhere.connect_timeout = 300ms;
  nowhere.produce_timeout = 300ms;
  RedisMessageQueue queue(nowhere);
  queue.register_handler("t", [](const json&) -> Task<> { co_return; });
  EXPECT_THROW(start(queue), Error);
  EXPECT_FALSE(queue.is_running());
  const auto began = WaitClock::now();
  EXPECT_THROW(produce(queue, "t", 1), Error);
  EXPECT_LT(WaitClock::now() - began, 10s);
  EXPECT_THROW(queue.run(100ms), Error);
}

void own_handler(int) {}

TEST_F(QueueLifecycle, ASignalWhileRedisIsNotThereEndsRunWithoutAnError) {
  MQConfig nowhere = quick_config("unix://" + server().directory() + "/nobody.sock");
  nowhere.connect_timeout = 3s;  // time for the signal
  RedisMessageQueue queue(nowhere);
  queue.register_handler("t", [](const json&) -> Task<> { co_return; });
  const auto handler = [] {
    struct sigaction now {};
    ::sigaction(SIGTERM, nullptr, &now);
    return now.sa_handler;
  };
  const auto before = std::signal(SIGTERM, own_handler);
  std::string error;
  std::thread runner([&] {
    try {
      queue.run();
    } catch (const std::exception& e) {
      error = e.what();
    }
  });
  EXPECT_TRUE(wait_for(
      patience, [&] { return handler() != own_handler; }, 1ms))
      << "taken over";
  ::kill(::getpid(), SIGTERM);
  runner.join();
  EXPECT_EQ(error, "");
  EXPECT_FALSE(queue.is_running());
  EXPECT_EQ(handler(), own_handler) << "given back";
  std::signal(SIGTERM, before);
}

// Lines of the log while it lives.
class LogLines {
 public:
  LogLines() {
    set_log_sink([this](LogLevel, std::string_view line) {
      const std::lock_guard lock(mutex_);
      text_ += line;
      text_ += '\n';
    });
  }
  LogLines(const LogLines&) = delete;
  LogLines& operator=(const LogLines&) = delete;
  ~LogLines() { set_log_sink({}); }

  bool has(const std::string& part) const {
    const std::lock_guard lock(mutex_);
    return text_.find(part) != std::string::npos;
  }
  bool wait(const std::string& part) const {
    return wait_for(patience, [&] { return has(part); });
  }

 private:
  mutable std::mutex mutex_;
  std::string text_;
};

MQConfig waiting_config(const std::string& url) {
  MQConfig config = quick_config(url);
  config.wait_for_redis = true;
  config.connect_timeout = 2s;  // a try must succeed on a loaded machine, too
  return config;
}

TEST_F(QueueLifecycle, WaitForRedisBeginsOnceRedisIsThere) {
  RedisServer late;
  const auto journal = std::make_shared<Journal>();
  const LogLines lines;
  RedisMessageQueue queue(waiting_config(late.url()));
  queue.register_handler("t", recorder(journal));
  late.stop();
  std::string errors;
  std::thread runner([&] { errors += thrown_by([&] { queue.run(); }); });
  EXPECT_TRUE(lines.wait("waiting for Redis error="));
  EXPECT_FALSE(queue.is_running());
  late.restart();
  EXPECT_TRUE(wait_for(patience, [&] { return queue.is_running(); }));
  EXPECT_TRUE(queue.status().initialized);
  errors += thrown_by([&] { produce(queue, "t", 1); });
  EXPECT_TRUE(journal->wait_size(1));
  EXPECT_TRUE(lines.has("Redis is there"));
  stop(queue);
  runner.join();
  EXPECT_EQ(errors, "");
}

TEST_F(QueueLifecycle, StopCleanupSignalsAndTheDurationEndTheWaitForRedis) {
  MQConfig nowhere = waiting_config("unix://" + server().directory() + "/nobody.sock");
  nowhere.connect_timeout = 10min;  // nothing here may wait for the end of a try
  const auto began = WaitClock::now();
  RedisMessageQueue queue(nowhere);
  queue.register_handler("t", [](const json&) -> Task<> { co_return; });
  // Called again and again: it may come before the call that waits.
  const auto ended_by = [&](auto call, auto end) {
    std::atomic<bool> over{false};
    std::string error;
    std::thread waiter([&] {
      error = thrown_by(call);
      over = true;
    });
    const bool ended = wait_for(patience, [&] {
      end();
      return over.load();
    });
    EXPECT_TRUE(ended);
    waiter.join();
    return error;
  };
  const auto stops = [&] { stop(queue); };
  const std::string stopped = "the queue was stopped while it waited for Redis";
  EXPECT_TRUE(ended_by([&] { sync_wait(queue.initialize()); }, stops).starts_with(stopped));
  EXPECT_TRUE(ended_by([&] { start(queue); }, stops).starts_with(stopped));
  EXPECT_EQ(ended_by([&] { queue.run(); }, stops), "");
  EXPECT_EQ(ended_by([&] { sync_wait(queue.start()); }, [&] { sync_wait(queue.cleanup()); }), "");
  EXPECT_EQ(thrown_by([&] { queue.run(50ms); }), "");
  const auto before = std::signal(SIGTERM, own_handler);
  // One signal, once it is taken over: more of them would say something else.
  const auto signals = [sent = false]() mutable {
    struct sigaction now {};
    ::sigaction(SIGTERM, nullptr, &now);
    if (!sent && now.sa_handler != own_handler) sent = ::kill(::getpid(), SIGTERM) == 0;
  };
  EXPECT_EQ(ended_by([&] { queue.run(); }, signals), "");
  std::signal(SIGTERM, before);
  EXPECT_FALSE(queue.is_running());
  EXPECT_LT(WaitClock::now() - began, 5min);
}

TEST_F(QueueLifecycle, WaitForRedisDoesNotWaitForWhatRedisRefuses) {
  RedisOptions options;
  options.password = "right";
  RedisServer locked(options);
  MQConfig wrong = waiting_config("unix://:wrong@" + locked.socket_path());
  wrong.connect_timeout = 10s;
  RedisMessageQueue queue(wrong);
  EXPECT_THROW(sync_wait(queue.initialize()), ServerError);
  EXPECT_THROW(queue.run(), ServerError);
}

TEST_F(QueueLifecycle, RunningWithoutAHandlerWarnsAndSaysWhatToDo) {
  const LogLines lines;
  RedisMessageQueue queue(config());
  queue.run(1ms);
  EXPECT_TRUE(lines.has("no handler is registered: call register_handler(topic, handler)"));
}

json task(const char* what, int milliseconds = 0) {
  json payload;
  payload["do"] = what;
  payload["ms"] = milliseconds;
  return payload;
}

TEST_F(QueueLifecycle, ASecondSignalCutsTheShutdownTimeShort) {
  RedisMessageQueue producer(config());
  const std::string patient = produce(producer, "t", task("defy", 600'000));
  const std::string obedient = produce(producer, "t", task("hold", 600'000));
  ChildProcess worker = start_worker(server(), "t", "second", {"MQ_SHUTDOWN_TIMEOUT=600s"});
  ASSERT_TRUE(wait_output(worker, "begin " + patient));
  ASSERT_TRUE(wait_output(worker, "begin " + obedient));
  worker.signal(SIGINT);
  ASSERT_TRUE(wait_output(worker, "stopping")) << worker.output();
  EXPECT_EQ(occurrences(worker.output(), "stopped"), 0u) << "they have time";
  worker.signal(SIGINT);
  const auto exit = worker.wait(60s);
  ASSERT_TRUE(exit.has_value()) << worker.output();
  EXPECT_TRUE(exit->exited) << "by signal " << exit->signal;
  EXPECT_EQ(exit->code, 0) << worker.output();
  EXPECT_TRUE(wait_output(worker, "end " + obedient)) << "who heeds the stop token ends well";
  EXPECT_TRUE(wait_output(worker, "stopped " + patient));
  EXPECT_EQ(audit(server(), "t")["ready"], 1) << "what still ran is given back";
  EXPECT_EQ(stat(server(), "t", "completed"), 1);
}

TEST_F(QueueLifecycle, AThirdSignalEndsTheProcess) {
  RedisMessageQueue producer(config());
  const std::string id = produce(producer, "t", task("defy", 600'000));
  ChildProcess worker = start_worker(server(), "t", "third", {"MQ_SHUTDOWN_TIMEOUT=600s"});
  ASSERT_TRUE(wait_output(worker, "begin " + id));
  worker.signal(SIGTERM);
  ASSERT_TRUE(wait_output(worker, "stopping")) << worker.output();
  server().pause();  // so that the rest of the stop takes its time
  worker.signal(SIGTERM);
  EXPECT_TRUE(wait_output(worker, "stopped " + id)) << worker.output();
  worker.signal(SIGTERM);
  const auto exit = worker.wait(60s);
  server().resume();
  ASSERT_TRUE(exit.has_value()) << worker.output();
  EXPECT_FALSE(exit->exited) << worker.output();
  EXPECT_EQ(exit->signal, SIGTERM);
}

TEST_F(QueueLifecycle, ASignalRaisedInACoroutineHandlerStopsTheQueue) {
  RedisMessageQueue producer(config());
  ChildProcess worker = start_worker(server(), "t", "raise");
  ASSERT_TRUE(wait_output(worker, "ready"));
  const std::string id = produce(producer, "t", task("raise"));
  const auto exit = worker.wait(60s);
  ASSERT_TRUE(exit.has_value()) << worker.output();
  EXPECT_TRUE(exit->exited);
  EXPECT_EQ(exit->code, 0) << worker.output();
  EXPECT_EQ(stat(server(), "t", "completed"), 1);
}

TEST_F(QueueLifecycle, BlockingCallsOnTheLoopThreadAreErrorsNotDeadlocks) {
  RedisMessageQueue queue(config());
  const auto error = std::make_shared<std::string>();
  queue.register_handler("t", [error, facade = &queue](const json&) -> Task<> {
    try {
      facade->run(1ms);
    } catch (const std::logic_error& e) {
      *error = e.what();
    }
    co_return;
  });
  start(queue);
  produce(queue, "t", 1);
  ASSERT_TRUE(wait_for(patience, [&] { return stat(server(), "t", "completed") == 1; }));
  EXPECT_FALSE(error->empty());
}

TEST_F(QueueLifecycle, AHandlerMayProduceAndCancel) {
  const auto journal = std::make_shared<Journal>();
  RedisMessageQueue queue(config());
  queue.register_handler(
      "t", [journal, facade = &queue](const json& payload, Context& context) -> Task<> {
        journal->add(context);
        const int n = payload.get<int>();
        if (n == 0) co_return;
        auto next = facade->produce("t", n - 1);
        co_await std::move(next);
        auto later = facade->produce("t", 100, ProduceOptions{}.delay(1h));
        const std::string id = co_await std::move(later);
        auto cancelled = facade->cancel("t", id);
        const bool gone = co_await std::move(cancelled);
        if (!gone) throw Reject("not cancelled");
      });
  start(queue);
  produce(queue, "t", 5);
  ASSERT_TRUE(wait_for(patience, [&] { return stat(server(), "t", "completed") == 6; }));
  EXPECT_EQ(journal->payloads(), (std::vector<json>{5, 4, 3, 2, 1, 0}));
  EXPECT_EQ(stat(server(), "t", "cancelled"), 5);
}

}  // namespace
}  // namespace mx_rmq::test
