// How many messages a second pass through one process beside one Redis: produced one at a time by
// concurrent coroutines, handled by a coroutine that does nothing, acknowledged.
//
//   end_to_end [messages] [producers] [task_queue_size] [rounds]
//
// On a private redis-server that it starts, or on REDIS_URL (a scratch one). Prints a row a round
// and the median.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "mx_rmq/mx_rmq.hpp"
#include "support/redis_server.hpp"

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

struct Work {
  mx_rmq::RedisMessageQueue* queue = nullptr;
  std::string body;
  std::atomic<long> next{0};
  long messages = 0;
  std::atomic<long> handled{0};
  std::atomic<int> producing{0};
};

// One of the concurrent producers: awaits one message at a time.
mx_rmq::Task<> produce_one_by_one(Work* work) {
  while (work->next.fetch_add(1) < work->messages) {
    nlohmann::json payload = work->body;
    co_await work->queue->produce("bench", std::move(payload));
  }
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

Detached launch(Work* work) {
  co_await produce_one_by_one(work);
  --work->producing;
}

double round(const std::string& url, long messages, int producers, int queue_size) {
  mx_rmq::MQConfig config;
  config.redis_url = url;
  config.task_queue_size = queue_size;
  config.max_workers = 100;
  config.batch_size = std::min(1000, std::max(100, queue_size));
  mx_rmq::RedisMessageQueue queue(config);
  Work work;
  work.queue = &queue;
  work.messages = messages;
  work.body = std::string(170, 'x');
  work.producing = producers;
  queue.register_handler("bench", [&work](const nlohmann::json&) -> mx_rmq::Task<> {
    ++work.handled;
    co_return;
  });
  mx_rmq::sync_wait(queue.start_background());
  const auto begin = Clock::now();
  for (int i = 0; i < producers; ++i) launch(&work);
  while (work.handled < messages)
    mx_rmq::sync_wait(mx_rmq::sleep_for(std::chrono::milliseconds(1)));
  const double took = seconds_since(begin);
  while (work.producing > 0) mx_rmq::sync_wait(mx_rmq::sleep_for(std::chrono::milliseconds(1)));
  mx_rmq::sync_wait(queue.cleanup());
  return static_cast<double>(messages) / took;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::string(argv[1]) == "--help") {
    std::printf(
        "usage: end_to_end [messages=200000] [producers=100] [task_queue_size=256] [rounds=5]\n");
    return 0;
  }
  const long messages = argc > 1 ? std::atol(argv[1]) : 200'000;
  const int producers = argc > 2 ? std::atoi(argv[2]) : 100;
  const int queue_size = argc > 3 ? std::atoi(argv[3]) : 256;
  const int rounds = argc > 4 ? std::atoi(argv[4]) : 5;
  mx_rmq::set_log_level(mx_rmq::LogLevel::warn);
  std::unique_ptr<mx_rmq::test::RedisServer> server;
  std::string url;
  if (const char* given = std::getenv("REDIS_URL")) {
    url = given;
  } else {
    server = std::make_unique<mx_rmq::test::RedisServer>();
    url = server->url();
  }
  std::printf("%8s  %10s  %10s  %12s\n", "round", "messages", "producers", "messages/s");
  std::vector<double> rates;
  for (int i = 1; i <= rounds; ++i) {
    rates.push_back(round(url, messages, producers, queue_size));
    std::printf("%8d  %10ld  %10d  %12.0f\n", i, messages, producers, rates.back());
    std::fflush(stdout);
  }
  std::sort(rates.begin(), rates.end());
  std::printf("%8s  %10s  %10s  %12.0f\n", "median", "", "", rates[rates.size() / 2]);
  return 0;
}
