// A service that runs a libuv loop of its own: the queue is a guest on it, and everything but
// handlers that may block happens on the one thread, between the service's own callbacks.
#include <uv.h>

#include <chrono>
#include <exception>
#include <iostream>
#include <memory>
#include <mx_rmq/libuv.hpp>
#include <mx_rmq/mx_rmq.hpp>
#include <string>
#include <thread>

#include "support/console.hpp"
#include "support/private_redis.hpp"

using mx_rmq::RedisMessageQueue;
using mx_rmq::Task;
using nlohmann::json;
using namespace std::chrono_literals;

namespace {

/// The service as it was before it had a queue: a loop, and something that it does on it.
struct Service {
  Service() {
    uv_loop_init(&loop);
    uv_timer_init(&loop, &clock);
    clock.data = this;
    uv_timer_start(
        &clock, [](uv_timer_t* timer) { ++static_cast<Service*>(timer->data)->ticks; }, 10, 10);
  }

  uv_loop_t loop{};
  uv_timer_t clock{};
  int ticks = 0;
  int handled = 0;
  int on_another_thread = 0;
  const std::thread::id thread = std::this_thread::get_id();
  std::unique_ptr<RedisMessageQueue> queue;
};

constexpr int orders = 20;

Task<> handle(Service* service, json order) {
  if (std::this_thread::get_id() != service->thread) ++service->on_another_thread;
  co_await mx_rmq::sleep_for(5ms);  // other callbacks of the loop run meanwhile
  ++service->handled;
  if (order.at("number") == orders)
    example::say("handled " + std::to_string(service->handled) + " orders");
}

/// What a queue is asked for is awaited in a coroutine: this thread must not block.
Task<> work(Service* service) {
  co_await service->queue->start_background();
  for (int number = 1; number <= orders; ++number) {
    json order = {{"number", number}};
    co_await service->queue->produce("orders", std::move(order));
  }
  example::say("produced " + std::to_string(orders) + " orders");
  for (int i = 0; i < 2000 && service->handled < orders; ++i) co_await mx_rmq::sleep_for(5ms);
  co_await service->queue->stop();
}

int run() {
  const example::PrivateRedis redis;
  Service service;
  service.queue =
      std::make_unique<RedisMessageQueue>(redis.config(), mx_rmq::Runtime::on(&service.loop));
  service.queue->register_handler(
      "orders", [&service](const json& order) { return handle(&service, order); });
  std::string failure;
  mx_rmq::spawn(work(&service), [&](const std::exception_ptr& error) {
    try {
      if (error) std::rethrow_exception(error);
    } catch (const std::exception& e) {
      failure = e.what();
    }
    service.queue.reset();  // and with it the Runtime: the loop closes what they had on it
    uv_close(reinterpret_cast<uv_handle_t*>(&service.clock), nullptr);
  });
  uv_run(&service.loop, UV_RUN_DEFAULT);  // returns when nothing is left on the loop

  example::Checks checks;
  checks.expect(failure.empty(), "nothing failed " + failure);
  checks.expect(service.handled == orders, "all orders were handled");
  checks.expect(service.on_another_thread == 0, "on the service's own thread");
  checks.expect(service.ticks > 0, "while its clock ticked");
  checks.expect(uv_loop_close(&service.loop) == 0, "and nothing is left on its loop");
  return checks.exit_code();
}

}  // namespace

int main(int argc, char** argv) {
  example::only_help(argc, argv,
                     "host_loop: a queue on a libuv loop that the program runs itself.\n"
                     "Runs on a Redis of its own, or on the one that REDIS_URL names.\n");
  return example::guarded(run);
}
