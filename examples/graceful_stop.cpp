// SIGTERM in the middle of work, as systemd or a container sends it: what runs ends in peace, what
// has not begun waits again in its old order, and the next process goes on.
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <iostream>
#include <mx_rmq/mx_rmq.hpp>
#include <string>
#include <vector>

#include "support/console.hpp"
#include "support/private_redis.hpp"

using mx_rmq::RedisMessageQueue;
using mx_rmq::Task;
using nlohmann::json;
using namespace std::chrono_literals;

namespace {

constexpr const char* topic = "reports";
constexpr int message_count = 8;

struct Office {
  std::vector<int> begun;
  std::vector<int> ended;
  bool stopped_once = false;
};

Task<> write_report(Office* office, json payload) {
  const int number = payload.at("number").get<int>();
  office->begun.push_back(number);
  example::say("begins report " + std::to_string(number));
  if (number == 2 && !office->stopped_once) {
    office->stopped_once = true;
    example::say("SIGTERM arrives");
    ::kill(::getpid(), SIGTERM);  // as an operator would
  }
  co_await mx_rmq::sleep_for(300ms);
  office->ended.push_back(number);
  example::say("ends   report " + std::to_string(number));
}

Task<> produce_all(RedisMessageQueue* queue) {
  for (int number = 1; number <= message_count; ++number) {
    json payload = {{"number", number}};
    co_await queue->produce(topic, std::move(payload));
  }
}

int run() {
  const example::PrivateRedis redis;
  Office office;
  mx_rmq::MQConfig config = redis.config();
  config.max_workers = 2;
  config.task_queue_size = 4;     // so that some are prefetched when the signal comes
  config.shutdown_timeout = 10s;  // what running handlers get to end
  const std::vector<std::string> topics = {topic};
  mx_rmq::TopicMetrics between;
  {
    RedisMessageQueue queue(config);
    queue.register_handler(
        topic, [&office](const json& payload) { return write_report(&office, payload); });
    mx_rmq::sync_wait(produce_all(&queue));
    queue.run();  // until the signal
    example::say("run() has returned");
    const auto metrics = mx_rmq::sync_wait(queue.metrics().collect(topics));
    between = metrics.topics.at(topic);
  }
  const Office at_stop = office;

  example::say("a new process, say, goes on");
  RedisMessageQueue next(config);
  next.register_handler(topic,
                        [&office](const json& payload) { return write_report(&office, payload); });
  next.run(2500ms);
  const auto metrics = mx_rmq::sync_wait(next.metrics().collect(topics));
  const mx_rmq::TopicMetrics& after = metrics.topics.at(topic);

  std::cout << '\n';
  example::Checks checks;
  checks.expect(at_stop.begun == at_stop.ended && !at_stop.begun.empty(),
                "every report that was begun was ended: " + std::to_string(at_stop.ended.size()));
  checks.expect(
      between.processing == 0 && between.counters.completed + between.pending == message_count,
      "the others waited again: " + std::to_string(between.pending) + ", none in between");
  const std::vector<int> expected = {1, 2, 3, 4, 5, 6, 7, 8};
  checks.expect(office.begun == expected, "all were begun once, in order");
  checks.expect(after.counters.completed == message_count && after.total() == 0 &&
                    after.counters.retried == 0,
                "all are done, and no attempt was counted in vain");
  return checks.exit_code();
}

}  // namespace

int main(int argc, char** argv) {
  example::only_help(argc, argv,
                     "graceful_stop: SIGTERM while handlers run and messages wait.\n"
                     "Runs on a Redis of its own, or on the one that REDIS_URL names.\n");
  return example::guarded(run);
}
