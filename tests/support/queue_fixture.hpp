// What the tests of the whole library share: a Redis of the test program's own, quick
// configurations, a journal of what handlers saw.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mx_rmq/mx_rmq.hpp"
#include "support/audit.hpp"
#include "support/child_process.hpp"
#include "support/paths.hpp"
#include "support/redis_server.hpp"
#include "support/test_redis.hpp"
#include "support/wait.hpp"

namespace mx_rmq::test {

using namespace std::chrono_literals;
using nlohmann::json;
using Strings = std::vector<std::string>;

// Long enough for a loaded machine; every wait ends as soon as its condition holds.
inline constexpr std::chrono::seconds patience{30};

// Small and quick, but the lease: a loaded machine must not lose it.
inline MQConfig quick_config(const std::string& url) {
  MQConfig config;
  config.redis_url = url;
  config.connection_pool_size = 3;
  config.retry_delays = {10ms};
  config.shutdown_timeout = 5s;
  config.expired_check_interval = 200ms;
  config.processing_monitor_interval = 200ms;
  config.reconnect_backoff_min = 10ms;
  config.reconnect_backoff_max = 200ms;
  return config;
}

// One run of a handler.
struct Handled {
  std::string id;
  json payload;
  int attempt = 0;
  WaitClock::time_point at;
};

// Thread-safe; handlers share it.
class Journal {
 public:
  void add(const Context& context) {
    Handled run;
    run.id = context.id();
    run.payload = context.message().payload;
    run.attempt = context.attempt();
    run.at = WaitClock::now();
    const std::lock_guard lock(mutex_);
    runs_.push_back(std::move(run));
  }
  std::vector<Handled> runs() const {
    const std::lock_guard lock(mutex_);
    return runs_;
  }
  std::size_t size() const {
    const std::lock_guard lock(mutex_);
    return runs_.size();
  }
  std::vector<json> payloads() const {
    std::vector<json> out;
    for (const Handled& run : runs()) out.push_back(run.payload);
    return out;
  }
  std::size_t count(const std::string& id) const {
    const auto all = runs();
    return static_cast<std::size_t>(
        std::count_if(all.begin(), all.end(), [&](const Handled& run) { return run.id == id; }));
  }
  bool wait_size(std::size_t size_wanted, std::chrono::milliseconds timeout = patience) const {
    return wait_for(timeout, [&] { return size() >= size_wanted; });
  }

 private:
  mutable std::mutex mutex_;
  std::vector<Handled> runs_;
};

// A handler that writes down what it gets.
inline auto recorder(std::shared_ptr<Journal> journal) {
  return [journal](Context& context) -> Task<> {
    journal->add(context);
    co_return;
  };
}

inline std::int64_t stat(RedisServer& server, const std::string& topic, const std::string& name,
                         const std::string& prefix = "mx") {
  const Value value = server.command({"HGET", key_of(topic, "stats", prefix), name});
  return value.is_nil() ? 0 : value.num();
}

// Nothing waits, is delayed or is held.
inline bool drained(RedisServer& server, const std::string& topic,
                    const std::string& prefix = "mx") {
  const Audit numbers = audit(server, topic, prefix);
  return !numbers.empty() && numbers.at("ready") == 0 && numbers.at("delayed") == 0 &&
         numbers.at("processing") == 0;
}

inline bool wait_drained(RedisServer& server, const std::string& topic,
                         std::chrono::milliseconds timeout = patience) {
  return wait_for(
      timeout, [&] { return drained(server, topic); }, 5ms);
}

// The type and text of what `call` throws; empty if it throws nothing.
template <class Call>
std::string thrown_by(Call call) {
  try {
    call();
  } catch (const std::exception& e) {
    return e.what();
  }
  return {};
}

// One Redis a test program, empty at the start of each test.
class QueueTest : public ::testing::Test {
 protected:
  static RedisServer& server() { return TestRedis::get().server(); }
  void SetUp() override { TestRedis::get().clear(); }

  static MQConfig config() {
    MQConfig config = quick_config("");
    TestRedis::get().lead(config);
    return config;
  }
  static std::string produce(RedisMessageQueue& queue, const std::string& topic, json payload,
                             ProduceOptions options = ProduceOptions()) {
    return sync_wait(queue.produce(topic, std::move(payload), std::move(options)));
  }
  static void start(RedisMessageQueue& queue) { sync_wait(queue.start_background()); }
  static void stop(RedisMessageQueue& queue) { sync_wait(queue.stop()); }
};

// For a test that goes to one server, past whatever kind of Redis the others work on.
#define MX_RMQ_SKIP_WHERE_SERVERS_ARE_MANY() \
  if (TestRedis::get().nodes() > 1)          \
  GTEST_SKIP() << "what this test does to the way to its server cannot be done to many"

// tests/programs/queue_worker.cpp as a process: a worker on one topic, configured by MQ_*.
inline ChildProcess start_worker(RedisServer& server, const std::string& topic,
                                 const std::string& name, Strings environment = {},
                                 const Strings& arguments = {}) {
  ChildOptions options;
  options.arguments = {topic};
  options.arguments.insert(options.arguments.end(), arguments.begin(), arguments.end());
  options.environment = std::move(environment);
  const bool common = TestRedis::made() && &server == &TestRedis::get().server();
  const Strings where =
      common ? TestRedis::get().environment() : Strings{"REDIS_URL=" + server.url()};
  options.environment.insert(options.environment.end(), where.begin(), where.end());
  options.output_file = server.directory() + "/" + name + ".out";
  return ChildProcess::start(test_program("queue_worker"), options);
}

inline std::size_t occurrences(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size()))
    ++count;
  return count;
}

// Waits until the worker's output has `part`.
inline bool wait_output(const ChildProcess& worker, const std::string& part,
                        std::chrono::milliseconds timeout = patience, std::size_t times = 1) {
  return wait_for(
      timeout, [&] { return occurrences(worker.output(), part) >= times; }, 5ms);
}

}  // namespace mx_rmq::test
