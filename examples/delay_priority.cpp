// When messages start: by priority, after a delay, at a point in time, or not at all.
#include <chrono>
#include <iostream>
#include <mx_rmq/mx_rmq.hpp>
#include <string>
#include <vector>

#include "support/console.hpp"
#include "support/private_redis.hpp"

using mx_rmq::MessagePriority;
using mx_rmq::ProduceOptions;
using mx_rmq::RedisMessageQueue;
using mx_rmq::Task;
using nlohmann::json;
using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

namespace {

struct Start {
  std::string name;
  Clock::time_point time;
};

// Handlers of one queue run on its loop thread, one at a time between two co_awaits: no lock.
struct Log {
  std::vector<Start> starts;
  example::Countdown left{8};  // six by priority, two delayed
};

Task<> handle(Log* log, json payload) {
  const std::string name = payload.at("name").get<std::string>();
  example::say("starts " + name);
  log->starts.push_back({name, Clock::now()});
  log->left.count_down();
  co_return;
}

Task<> produce_named(RedisMessageQueue* queue, std::string name, ProduceOptions options) {
  json payload = {{"name", name}};
  co_await queue->produce("jobs", std::move(payload), std::move(options));
}

// Nobody consumes yet: all six wait, and start by priority, within one in the order of producing.
Task<> produce_by_priority(RedisMessageQueue* queue) {
  for (const char* const number : {"1", "2"}) {
    for (const MessagePriority priority :
         {MessagePriority::low, MessagePriority::normal, MessagePriority::high}) {
      std::string name(to_string(priority));
      name += number;
      co_await produce_named(queue, std::move(name), ProduceOptions{}.priority(priority));
    }
  }
}

Task<> produce_delayed(RedisMessageQueue* queue) {
  const auto due = std::chrono::system_clock::now() + 1500ms;
  co_await produce_named(queue, "at a point in time", ProduceOptions{}.at(due));
  co_await produce_named(queue, "after 500 ms", ProduceOptions{}.delay(500ms));
}

int run() {
  const example::PrivateRedis redis;
  Log log;
  mx_rmq::MQConfig config = redis.config();
  config.max_workers = 1;  // one after the other, so that the order can be seen
  RedisMessageQueue queue(config);
  queue.register_handler("jobs", [&log](const json& payload) { return handle(&log, payload); });

  mx_rmq::sync_wait(produce_by_priority(&queue));
  example::say("six messages wait; consuming begins");
  mx_rmq::sync_wait(queue.start_background());

  const auto produced = Clock::now();
  mx_rmq::sync_wait(produce_delayed(&queue));
  mx_rmq::sync_wait(produce_named(&queue, "never", ProduceOptions{}.delay(1h).message_id("n")));
  const bool cancelled = mx_rmq::sync_wait(queue.cancel("jobs", "n"));
  example::say("produced two delayed ones, and a third that was cancelled");
  const bool all = log.left.wait_for(20s);
  mx_rmq::sync_wait(queue.stop());

  std::vector<std::string> order;
  for (const Start& start : log.starts) order.push_back(start.name);
  const std::vector<std::string> expected = {
      "high1", "high2", "normal1", "normal2", "low1", "low2", "after 500 ms", "at a point in time"};
  example::Checks checks;
  checks.expect(all && order == expected, "high before normal before low, then by due time");
  checks.expect(all && log.starts[6].time - produced >= 500ms &&
                    log.starts[7].time - produced >= 1490ms,  // the clock was read a little earlier
                "no delayed message started early");
  checks.expect(cancelled && mx_rmq::sync_wait(queue.cancel("jobs", "n")) == false,
                "the cancelled message is gone");
  return checks.exit_code();
}

}  // namespace

int main(int argc, char** argv) {
  example::only_help(argc, argv,
                     "delay_priority: priorities, delays, points in time, cancelling.\n"
                     "Runs on a Redis of its own, or on the one that REDIS_URL names.\n");
  return example::guarded(run);
}
