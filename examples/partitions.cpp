// A topic that is spread over several partitions, and gets more of them while messages flow: each
// customer's orders go to one partition and are handled in order, and the program is the same as
// for a topic with one.
#include <chrono>
#include <iostream>
#include <map>
#include <mx_rmq/mx_rmq.hpp>
#include <string>
#include <vector>

#include "support/console.hpp"
#include "support/private_redis.hpp"

using mx_rmq::OutgoingMessage;
using mx_rmq::ProduceOptions;
using mx_rmq::RedisMessageQueue;
using mx_rmq::Task;
using mx_rmq::TopicSettings;
using nlohmann::json;
using namespace std::chrono_literals;

namespace {

constexpr int customers = 20;
constexpr int orders_each = 50;

// Everything on the loop thread.
struct Shop {
  std::map<int, int> last;  // by customer: the number of the last order
  int handled = 0;
  int out_of_order = 0;
};

Task<> handle(Shop* shop, json order) {
  const int customer = order.at("customer").get<int>();
  const int number = order.at("number").get<int>();
  if (number != shop->last[customer] + 1) ++shop->out_of_order;
  shop->last[customer] = number;
  ++shop->handled;
  co_return;
}

// The orders from `first` to `last` of each customer.
Task<> produce_orders(RedisMessageQueue* queue, int first, int last) {
  for (int number = first; number <= last; ++number) {
    std::vector<OutgoingMessage> orders;
    for (int customer = 1; customer <= customers; ++customer) {
      json order = {{"customer", customer}, {"number", number}};
      ProduceOptions options;
      options.key("customer-" + std::to_string(customer));
      orders.emplace_back("orders", std::move(order), std::move(options));
    }
    co_await queue->produce_batch(std::move(orders));
  }
}

Task<> show_settings(RedisMessageQueue* queue) {
  const TopicSettings settings = co_await queue->settings("orders");
  example::say("orders has " + std::to_string(settings.partitions().value_or(1)) + " partitions");
}

Task<> run_shop(RedisMessageQueue* queue, const Shop* shop) {
  TopicSettings four;
  four.partitions(4);
  co_await queue->configure("orders", four);
  co_await show_settings(queue);
  co_await queue->start_background();
  co_await produce_orders(queue, 1, orders_each / 2);

  // More of them, while it runs. Messages without a key use them as soon as they are consumed; keys
  // and chosen ids when none that went by the old number can be in work any more, so no order
  // changes.
  TopicSettings eight;
  eight.partitions(8);
  co_await queue->configure("orders", eight);
  co_await show_settings(queue);
  co_await produce_orders(queue, orders_each / 2 + 1, orders_each);

  while (shop->handled < customers * orders_each) co_await mx_rmq::sleep_for(10ms);
  co_await queue->stop();
}

int run() {
  const example::PrivateRedis redis;
  mx_rmq::MQConfig config = redis.config();
  config.max_workers = 1;  // the next one of a customer begins when the last one has ended
  RedisMessageQueue queue(config);
  Shop shop;
  queue.register_handler("orders", [&shop](const json& order) { return handle(&shop, order); });
  mx_rmq::sync_wait(run_shop(&queue, &shop));
  example::Checks checks;
  checks.expect(shop.handled == customers * orders_each,
                "all " + std::to_string(customers * orders_each) + " orders were handled");
  checks.expect(shop.out_of_order == 0, "each customer's in their order");
  return checks.exit_code();
}

}  // namespace

int main(int argc, char** argv) {
  example::only_help(argc, argv,
                     "partitions: a topic that is spread over several partitions, and gets more.\n"
                     "Runs on a Redis of its own, or on the one that REDIS_URL names.\n");
  return example::guarded(run);
}
