// The shortest whole program: three messages are produced, and a handler gets them.
#include <chrono>
#include <iostream>
#include <mx_rmq/mx_rmq.hpp>
#include <vector>

#include "support/console.hpp"
#include "support/private_redis.hpp"

using mx_rmq::MQConfig;
using mx_rmq::RedisMessageQueue;
using mx_rmq::Task;
using nlohmann::json;
using namespace std::chrono_literals;

namespace {

Task<> produce_orders(RedisMessageQueue* queue) {
  for (int number = 1; number <= 3; ++number) {
    json order = {{"number", number}, {"item", "tea"}};
    const std::string id = co_await queue->produce("orders", std::move(order));
    std::cout << "produced order " << number << " as " << id << std::endl;
  }
}

Task<> handle_order(std::vector<int>* handled, json order) {
  const int number = order.at("number").get<int>();
  co_await mx_rmq::sleep_for(20ms);  // a request to somebody, say
  std::cout << "handled  order " << number << ": " << order.at("item") << std::endl;
  handled->push_back(number);
}

int run() {
  const example::PrivateRedis redis;
  const MQConfig config = redis.config();
  std::vector<int> handled;  // outlives the queue, and so every handler

  RedisMessageQueue queue(config);
  queue.register_handler("orders",
                         [&handled](const json& order) { return handle_order(&handled, order); });
  mx_rmq::sync_wait(produce_orders(&queue));
  queue.run(2s);  // without a time: until SIGINT or SIGTERM

  std::cout << handled.size() << " of 3 orders handled\n";
  return handled.size() == 3 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  example::only_help(argc, argv,
                     "quick_start: produces three messages and handles them.\n"
                     "Runs on a Redis of its own, or on the one that REDIS_URL names.\n");
  return example::guarded(run);
}
