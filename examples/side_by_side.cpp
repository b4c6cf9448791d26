// Tasks beside each other, and beside what a program has already: several produces at once, the
// faster of two services, a library that calls back, a future for a plain thread.
#include <chrono>
#include <functional>
#include <future>
#include <iostream>
#include <mx_rmq/mx_rmq.hpp>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/console.hpp"
#include "support/private_redis.hpp"

using mx_rmq::Completion;
using mx_rmq::RedisMessageQueue;
using mx_rmq::Task;
using nlohmann::json;
using namespace std::chrono_literals;

namespace {

// A library of somebody else's: it has a thread of its own and calls back.
void ask_price(std::string item, std::function<void(int)> answered) {
  std::thread([item = std::move(item), answered = std::move(answered)] {
    answered(static_cast<int>(item.size()) * 100);
  }).detach();
}

Task<int> price_of(std::string item) {
  return mx_rmq::from_callback<int>(
      [item](const Completion<int>& done) { ask_price(item, [done](int cents) { done(cents); }); });
}

// A service that answers after a while, or stops when it is told to.
Task<std::string> ask(std::string service, std::chrono::milliseconds takes, std::stop_token token) {
  try {
    auto answer = mx_rmq::stoppable(mx_rmq::sleep_for(takes), std::move(token));
    co_await std::move(answer);
  } catch (const mx_rmq::Stopped&) {
    example::say(service + " is told to stop");
  }
  co_return service;
}

Task<std::string> fastest() {
  std::vector<std::function<Task<std::string>(std::stop_token)>> services;
  services.emplace_back([](std::stop_token token) { return ask("the far one", 1h, token); });
  services.emplace_back([](std::stop_token token) { return ask("the near one", 5ms, token); });
  auto race = mx_rmq::when_any<std::string>(std::move(services));
  auto first = co_await std::move(race);
  co_return first.value;
}

// Three orders at once take as long as one.
Task<std::vector<std::string>> produce_orders(RedisMessageQueue* queue) {
  std::vector<Task<std::string>> orders;
  for (const char* item : {"tea", "coffee", "cocoa"})
    orders.push_back(queue->produce("orders", json{{"item", item}}));
  auto all = mx_rmq::when_all(std::move(orders));
  co_return co_await std::move(all);
}

Task<> handle_order(example::Countdown* left, std::string item) {
  auto both = mx_rmq::when_all(price_of(item), fastest());
  auto [cents, shop] = co_await std::move(both);
  example::say(item + " costs " + std::to_string(cents) + " cents at " + shop);
  left->count_down();
}

int run() {
  const example::PrivateRedis redis;
  example::Countdown left(3);
  RedisMessageQueue queue(redis.config());
  queue.register_handler("orders", [&left](const json& order) {
    return handle_order(&left, order.at("item").get<std::string>());
  });
  mx_rmq::sync_wait(queue.start_background());

  // A plain thread goes on with its own work and looks at the future when it needs it.
  std::future<std::vector<std::string>> ids = mx_rmq::to_future(produce_orders(&queue));
  example::say("produced " + std::to_string(ids.get().size()) + " orders");

  const bool all = left.wait_for(10s);
  mx_rmq::sync_wait(queue.stop());
  return all ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  example::only_help(
      argc, argv,
      "side_by_side: several tasks at once, the first of several, callbacks and futures.\n"
      "Runs on a Redis of its own, or on the one that REDIS_URL names.\n");
  return example::guarded(run);
}
