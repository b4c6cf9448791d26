// Starting, stopping and ending at every moment, and what programs around the queue may do to it.
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <coroutine>
#include <csignal>
#include <fstream>
#include <random>
#include <thread>

#include "faults/programs/program.hpp"
#include "faults/support.hpp"
#include "runtime/frames.hpp"
#include "support/build_kind.hpp"
#include "support/fault_proxy.hpp"
#include "support/queue_fixture.hpp"

namespace mx_rmq::faults {
namespace {

using namespace test;

class FaultsG : public QueueTest {
 protected:
  static MQConfig via(const FaultProxy& proxy) { return quick_config(proxy.url()); }
  static std::string proxy_path() { return server().directory() + "/proxy.sock"; }
};

// --- G4, G5: at every command ---

Strings produce_six(RedisMessageQueue& queue) {
  std::vector<OutgoingMessage> messages;
  messages.emplace_back("t", "plain");
  messages.emplace_back("t", "fails once");
  messages.emplace_back("t", "rejected");
  messages.emplace_back("t", "slow");
  messages.emplace_back("t", "delayed", ProduceOptions{}.delay(5ms));
  messages.emplace_back("t", "chosen", ProduceOptions{}.message_id("mine"));
  return sync_wait(queue.produce_batch(std::move(messages)));
}

auto treat(std::shared_ptr<Journal> journal, std::shared_ptr<std::atomic<int>> running) {
  return [journal, running](const json& payload, Context& context) -> Task<> {
    journal->add(context);
    ++*running;
    if (payload == "slow") co_await sleep_for(20ms);
    --*running;
    if (payload == "rejected") throw Reject("no");
    if (payload == "fails once" && context.attempt() == 1) throw std::runtime_error("once");
  };
}

enum class Ending { stop, destroy };

// Ends a queue at its k-th command, which waits until the end has begun; false if there were fewer.
bool ends_well_at(RedisServer& server, const std::string& socket, int k, Ending ending) {
  server.command({"FLUSHALL"});
  FaultProxy proxy(server.socket_path(), socket);
  std::atomic<int> seen{0};
  std::atomic<bool> reached{false};
  std::atomic<bool> begun{false};
  proxy.judge_commands([&](const SeenCommand& command) {
    const bool counts = !command.script.empty() || command.arguments[0] == "SUBSCRIBE";
    if (!counts || ++seen != k) return CommandFate::pass;
    reached = true;
    wait_for(
        5s, [&] { return begun.load(); }, 50us);
    return CommandFate::pass;
  });
  const auto journal = std::make_shared<Journal>();
  const auto running = std::make_shared<std::atomic<int>>(0);
  auto queue = std::make_unique<RedisMessageQueue>(quick_config(proxy.url()));
  queue->register_handler("t", treat(journal, running));
  {
    RedisMessageQueue direct(quick_config(server.url()));
    produce_six(direct);
  }
  std::jthread starter([&] { sync_wait(queue->start_background()); });
  const bool enough = wait_for(
      10s, [&] { return reached || (!queue->status().running ? false : drained(server, "t")); },
      1ms);
  EXPECT_TRUE(enough) << k;
  starter.join();
  const auto began = WaitClock::now();
  begun = true;
  if (ending == Ending::stop) {
    sync_wait(queue->stop());
  } else {
    queue.reset();
  }
  EXPECT_LT(WaitClock::now() - began, 15s) << k;
  EXPECT_EQ(*running, 0) << k;
  const std::size_t runs = journal->size();
  queue.reset();
  EXPECT_EQ(journal->size(), runs) << "nothing runs after the end, k=" << k;
  // Another one finds the rest at once: nothing waits for a lease.
  RedisMessageQueue heir(quick_config(server.url()));
  heir.register_handler("t", treat(journal, running));
  sync_wait(heir.start_background());
  EXPECT_TRUE(wait_drained(server, "t", 20s)) << k;
  sync_wait(heir.stop());
  EXPECT_EQ(stat(server, "t", "completed"), 5) << k;
  EXPECT_EQ(stat(server, "t", "dead"), 1) << k;
  EXPECT_EQ(stat(server, "t", "recovered"), 0) << k;
  EXPECT_EQ(journal->size(), 7u) << "each once, and one twice, k=" << k;
  EXPECT_TRUE(sound(audit(server, "t"))) << k;
  return reached;
}

TEST_F(FaultsG, G4_stopped_at_each_command_it_ends_in_time_and_gives_everything_back) {
  int k = 1;
  while (ends_well_at(server(), proxy_path(), k, Ending::stop) && !HasFailure()) ++k;
  EXPECT_GT(k, 5) << "the scenario is larger than that";
}

TEST_F(FaultsG, G5_destroyed_at_each_command_it_ends_in_time_and_gives_everything_back) {
  int k = 1;
  while (ends_well_at(server(), proxy_path(), k, Ending::destroy) && !HasFailure()) ++k;
  EXPECT_GT(k, 5) << "the scenario is larger than that";
}

TEST_F(FaultsG, G4_stopped_again_and_again_in_the_middle_of_work_from_anywhere) {
  RedisMessageQueue producer(config());
  std::int64_t messages = 0;
  const auto more = [&] {
    std::vector<OutgoingMessage> all;
    for (std::int64_t i = scaled<std::int64_t>(500); i > 0; --i) all.emplace_back("t", ++messages);
    sync_wait(producer.produce_batch(std::move(all)));
  };
  const auto journal = std::make_shared<Journal>();
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Dice dice(seed);
  int stops = 0;
  more();
  while (!drained(server(), "t") || stops < 5) {
    if (drained(server(), "t")) more();
    RedisMessageQueue queue(config());
    const auto stopping = std::make_shared<std::atomic<bool>>(false);
    const auto from_handler = std::make_shared<std::jthread>();
    const bool in_handler = dice.chance(0.3);
    queue.register_handler(
        "t",
        [journal, stopping, from_handler, in_handler, facade = &queue](Context& context) -> Task<> {
          journal->add(context);
          if (in_handler && !stopping->exchange(true))
            *from_handler = std::jthread([facade] { sync_wait(facade->stop()); });
          co_await sleep_for(1ms);
        });
    start(queue);
    std::this_thread::sleep_for(std::chrono::microseconds(dice.between(0, 30'000)));
    const auto began = WaitClock::now();
    std::jthread second([&] {
      if (dice.next() % 2 == 0) stop(queue);
    });
    stop(queue);
    second.join();
    EXPECT_LT(WaitClock::now() - began, 10s);
    const std::size_t runs = journal->size();
    EXPECT_FALSE(queue.is_running());
    std::this_thread::sleep_for(2ms);
    EXPECT_EQ(journal->size(), runs) << "no handler begins after stop() has returned";
    ++stops;
  }
  EXPECT_EQ(stat(server(), "t", "completed"), messages);
  EXPECT_EQ(journal->size(), static_cast<std::size_t>(messages))
      << "each once: a stop costs no attempt";
  EXPECT_TRUE(sound(audit(server(), "t")));
}

TEST_F(FaultsG, G5_destroyed_while_the_server_is_silent_it_ends_in_time_and_the_loop_goes_on) {
  RedisServer silent;
  const auto journal = std::make_shared<Journal>();
  {
    MQConfig hasty = quick_config(silent.url());
    hasty.shutdown_timeout = 200ms;
    RedisMessageQueue queue(hasty);
    queue.register_handler("t", [journal](Context& context) -> Task<> {
      journal->add(context);
      co_await sleep_for(50ms);
    });
    start(queue);
    for (int i = 0; i < 20; ++i) produce(queue, "t", i);
    ASSERT_TRUE(journal->wait_size(1));
    silent.pause();
    const auto began = WaitClock::now();
    std::jthread blocked(
        [&queue] { EXPECT_FALSE(thrown_by([&] { produce(queue, "t", 99); }).empty()); });
    std::this_thread::sleep_for(20ms);
    sync_wait(queue.stop());
    EXPECT_LT(WaitClock::now() - began, 15s);
    sync_wait(queue.cleanup());
    blocked.join();
    EXPECT_LT(WaitClock::now() - began, 30s);
  }
  silent.resume();
  RedisMessageQueue other(config());
  other.register_handler("t", recorder(journal));
  start(other);
  const std::string id = produce(other, "t", 1);
  EXPECT_TRUE(wait_for(patience, [&] { return journal->count(id) == 1; }));
}

// --- G9: again and again ---

std::int64_t resident_kib() {
  std::ifstream status("/proc/self/statm");
  std::int64_t pages = 0;
  status >> pages >> pages;
  return pages * ::sysconf(_SC_PAGESIZE) / 1024;
}

TEST_F(FaultsG, G9_a_thousand_starts_and_stops_leave_nothing_behind) {
  const auto journal = std::make_shared<Journal>();
  const int rounds = scaled(1000);
  std::uint64_t files = 0;
  std::int64_t memory = 0;
  std::int64_t frames = 0;
  for (int round = 0; round < rounds; ++round) {
    RedisMessageQueue queue(config());
    queue.register_handler("t", recorder(journal));
    start(queue);
    produce(queue, "t", round);
    ASSERT_TRUE(journal->wait_size(static_cast<std::size_t>(round) + 1));
    stop(queue);
    sync_wait(queue.cleanup());
    if (round == rounds / 10) {
      files = open_files();
      memory = resident_kib();
      frames = runtime::live_frames();
    }
  }
  EXPECT_EQ(open_files(), files);
  EXPECT_TRUE(wait_for(patience, [&] { return runtime::live_frames() == frames; }))
      << runtime::live_frames() - frames << " coroutines more";
  // Not so under a sanitizer, which keeps what was freed.
  if (optimized) {
    EXPECT_LT(resident_kib() - memory, 4096) << "KiB more after " << rounds;
  }
  EXPECT_TRUE(wait_for(patience, [] {
    return occurrences(server().command({"CLIENT", "LIST"}).str(), "name=mx-rmq") == 0;
  }));
  EXPECT_EQ(stat(server(), "t", "completed"), rounds);
}

TEST_F(FaultsG, G9_one_queue_started_and_stopped_again_and_again) {
  const auto journal = std::make_shared<Journal>();
  RedisMessageQueue queue(config());
  queue.register_handler("t", recorder(journal));
  std::uint64_t files = 0;
  const int rounds = scaled(300);
  for (int round = 0; round < rounds; ++round) {
    start(queue);
    produce(queue, "t", round);
    ASSERT_TRUE(journal->wait_size(static_cast<std::size_t>(round) + 1));
    stop(queue);
    if (round == rounds / 10) files = open_files();
  }
  EXPECT_EQ(open_files(), files);
}

// --- G1, G8: what handlers do ---

struct Odd {
  int value = 0;
};

TEST_F(FaultsG, G1_whatever_a_handler_throws_and_wherever_it_is_an_attempt_that_failed) {
  MQConfig quick = config();
  quick.max_retries = 0;
  RedisMessageQueue queue(quick);
  queue.register_handler("t", [](const json& payload) -> Task<> {
    const std::string what = payload.get<std::string>();
    // Not a coroutine: what is thrown here comes before there is one.
    if (what == "before") throw std::runtime_error("before the coroutine");
    return [](std::string how) -> Task<> {
      if (how == "odd") throw Odd{};
      if (how == "pointer") throw static_cast<const char*>(nullptr);
      if (how == "memory") throw std::bad_alloc();
      if (how == "long") throw std::runtime_error(std::string(1 << 20, 'x'));
      if (how == "bytes") throw std::runtime_error("\xff\xfe\r\nred \x1b[31m");
      if (how == "error") throw TimeoutError("of the library's own kind");
      co_await sleep_for(1ms);
      try {
        throw std::invalid_argument("inner");
      } catch (...) {
        std::throw_with_nested(std::runtime_error("outer"));
      }
    }(what);
  });
  start(queue);
  const Strings kinds{"before", "odd", "pointer", "memory", "long", "bytes", "error", "nested"};
  for (const auto& each : kinds) produce(queue, "t", each);
  ASSERT_TRUE(wait_for(patience, [&] {
    return stat(server(), "t", "dead") == static_cast<std::int64_t>(kinds.size());
  }));
  std::map<std::string, std::string> errors;
  for (const auto& letter : sync_wait(queue.dead_letters().list("t"))) {
    EXPECT_EQ(letter.reason, "retries");
    EXPECT_LE(letter.last_error.size(), quick.max_error_bytes);
    EXPECT_FALSE(letter.last_error.empty());
    errors[letter.message.payload.get<std::string>()] = letter.last_error;
  }
  EXPECT_EQ(errors.size(), kinds.size());
  EXPECT_EQ(errors["before"], "before the coroutine");
  EXPECT_EQ(errors["nested"], "outer");
  EXPECT_EQ(errors["error"], "of the library's own kind");
  // And it works on.
  const auto journal = std::make_shared<Journal>();
  queue.register_handler("after", recorder(journal));
  produce(queue, "after", 1);
  EXPECT_TRUE(journal->wait_size(1));
}

TEST_F(FaultsG, G8_a_handler_may_use_the_queue_that_runs_it) {
  const auto journal = std::make_shared<Journal>();
  RedisMessageQueue queue(config());
  queue.register_handler("t", [journal, facade = &queue](Context& context) -> Task<> {
    journal->add(context);
    facade->register_handler("inside", recorder(journal));
    auto produced = facade->produce("inside", 1);
    co_await std::move(produced);
    auto health = facade->health_check();
    const HealthReport report = co_await std::move(health);
    if (!report.healthy) throw Reject("not healthy");
    auto counted = facade->dead_letters().count("t");
    const std::int64_t dead = co_await std::move(counted);
    auto collected = facade->metrics().collect({"t"});
    const MetricsSnapshot metrics = co_await std::move(collected);
    if (dead != 0 || metrics.handlers_active != 1) throw Reject("wrong figures");
  });
  start(queue);
  produce(queue, "t", 1);
  ASSERT_TRUE(wait_for(patience, [&] {
    return stat(server(), "t", "completed") == 1 && stat(server(), "inside", "completed") == 1;
  })) << stat(server(), "t", "dead");
}

// --- G10, G12, G15: what processes do ---

Task<> nothing() { co_return; }

TEST_F(FaultsG, G10_a_forked_child_is_refused_and_its_parent_goes_on) {
  const auto journal = std::make_shared<Journal>();
  // The loop thread is held while the process forks: had it an allocator of a sanitizer locked at
  // that moment, the child would wait for it for ever.
  std::atomic<bool> held{false};
  std::atomic<bool> forked{false};
  auto queue = std::make_unique<RedisMessageQueue>(config());
  queue->register_handler("t", recorder(journal));
  queue->register_handler("hold", [&held, &forked](const json&) {
    held = true;
    while (!forked) std::this_thread::sleep_for(1ms);
    return nothing();
  });
  start(*queue);
  // Not waited for: the loop may be held before it has read the reply.
  auto hold = to_future(queue->produce("hold", 0));
  const bool holds = wait_for(patience, [&] { return held.load(); });
  if (!holds) forked = true;
  ASSERT_TRUE(holds);
  const pid_t child = ::fork();
  if (child == 0) {
    int code = 1;
    try {
      sync_wait(queue->produce("t", 1));
    } catch (const std::logic_error&) {
      code = 0;
    } catch (...) {
      code = 2;
    }
    ::_exit(code);
  }
  forked = true;
  int status = -1;
  const bool ended =
      wait_for(patience, [&] { return ::waitpid(child, &status, WNOHANG) == child; });
  if (!ended) ::kill(child, SIGKILL);  // whoever reads what this program prints waits for it, too
  ASSERT_TRUE(ended);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0) << "std::logic_error";
  EXPECT_NO_THROW(hold.get());
  produce(*queue, "t", 2);
  EXPECT_TRUE(journal->wait_size(1));
  EXPECT_EQ(journal->payloads(), std::vector<json>{2}) << "the child has produced nothing";
}

TEST_F(FaultsG, G12_without_file_descriptors_it_waits_and_goes_on_when_there_are_some) {
  if (sanitized) GTEST_SKIP() << "the checks of -fsanitize=vptr need pipes of their own";
  const auto journal = std::make_shared<Journal>();
  MQConfig hasty = config();
  hasty.produce_timeout = 500ms;
  RedisMessageQueue queue(hasty);
  queue.register_handler("t", recorder(journal));
  start(queue);
  produce(queue, "t", 1);
  ASSERT_TRUE(journal->wait_size(1));
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  auto client = server().connect();
  // None is left: the connections that are lost now cannot be made anew.
  const rlimit none{3, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  client.command({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
  std::string error;
  const bool failed = wait_for(patience, [&] {
    error = thrown_by([&] { produce(queue, "t", 2); });
    return error.find("too many open files") != std::string::npos;
  });
  EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_TRUE(failed) << error;
  const std::string id = produce(queue, "t", 3);
  EXPECT_TRUE(wait_for(patience, [&] { return journal->count(id) == 1; }));
}

std::atomic<int> alarms{0};

TEST_F(FaultsG, G15_a_storm_of_signals_disturbs_nobody_and_sigpipe_is_left_alone) {
  struct sigaction storm {};
  storm.sa_handler = [](int) { ++alarms; };  // without SA_RESTART: calls are interrupted
  struct sigaction old {};
  ASSERT_EQ(::sigaction(SIGALRM, &storm, &old), 0);
  struct sigaction pipe_before {};
  ::sigaction(SIGPIPE, nullptr, &pipe_before);
  const itimerval fast{{0, 1000}, {0, 1000}};
  ASSERT_EQ(::setitimer(ITIMER_REAL, &fast, nullptr), 0);
  const auto journal = std::make_shared<Journal>();
  int messages = 0;
  {
    RedisMessageQueue queue(config());
    queue.register_handler("t", recorder(journal));
    queue.register_handler("blocking", [](const json&) { std::this_thread::sleep_for(1ms); });
    start(queue);
    // However fast it is: until the storm has been there.
    for (; messages < scaled(2000) || alarms <= 50; ++messages) {
      produce(queue, "t", messages);
      if (messages % 10 == 0) produce(queue, "blocking", messages);
    }
    EXPECT_TRUE(journal->wait_size(static_cast<std::size_t>(messages)));
    EXPECT_TRUE(wait_drained(server(), "blocking"));
    struct sigaction pipe_now {};
    ::sigaction(SIGPIPE, nullptr, &pipe_now);
    EXPECT_EQ(pipe_now.sa_handler, pipe_before.sa_handler);
    stop(queue);
  }
  const itimerval off{};
  ::setitimer(ITIMER_REAL, &off, nullptr);
  ::sigaction(SIGALRM, &old, nullptr);
  EXPECT_EQ(stat(server(), "t", "completed"), messages);
  EXPECT_EQ(journal->size(), static_cast<std::size_t>(messages));
}

// --- G13, G14 ---

TEST_F(FaultsG, G13_two_queues_on_one_loop_and_one_on_its_own_share_the_work) {
  const auto journal = std::make_shared<Journal>();
  RedisMessageQueue first(config());
  RedisMessageQueue second(config());
  RedisMessageQueue foreign(config(), std::make_shared<Runtime>());
  for (RedisMessageQueue* each : {&first, &second, &foreign}) {
    each->register_handler("t", recorder(journal));
    start(*each);
  }
  const int messages = 600;
  std::vector<std::jthread> threads;
  for (RedisMessageQueue* each : {&first, &second, &foreign})
    threads.emplace_back([each] {
      for (int i = 0; i < messages / 3; ++i) produce(*each, "t", i);
    });
  threads.clear();
  EXPECT_TRUE(journal->wait_size(messages));
  ASSERT_TRUE(wait_drained(server(), "t"));
  EXPECT_EQ(journal->size(), static_cast<std::size_t>(messages));
}

struct Detached {
  struct promise_type {
    Detached get_return_object() noexcept { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept { std::terminate(); }
  };
};

Detached produce_alone(RedisMessageQueue* queue, int n, std::atomic<int>* done) {
  json payload = n;
  auto call = queue->produce("t", std::move(payload));
  co_await std::move(call);
  ++*done;
}

TEST_F(FaultsG, G14_ten_thousand_produce_calls_await_at_once) {
  RedisMessageQueue queue(config());
  const int calls = scaled(10'000);
  std::atomic<int> done{0};
  for (int i = 0; i < calls; ++i) produce_alone(&queue, i, &done);
  EXPECT_TRUE(wait_for(patience, [&] { return done == calls; })) << done;
  EXPECT_EQ(stat(server(), "t", "produced"), calls);
  // In the order of the calls, one thread's.
  const auto journal = std::make_shared<Journal>();
  MQConfig one = config();
  one.max_workers = 1;
  RedisMessageQueue worker(one);
  worker.register_handler("t", recorder(journal));
  start(worker);
  ASSERT_TRUE(journal->wait_size(static_cast<std::size_t>(calls)));
  std::vector<json> wanted;
  for (int i = 0; i < calls; ++i) wanted.emplace_back(i);
  EXPECT_EQ(journal->payloads(), wanted);
}

}  // namespace
}  // namespace mx_rmq::faults
