// Every public header of this layer, and every form of a handler and of a time that is allowed.
#include <chrono>
#include <functional>
#include <memory>
#include <vector>

#include "mx_rmq/config.hpp"
#include "mx_rmq/dead_letters.hpp"
#include "mx_rmq/errors.hpp"
#include "mx_rmq/handler.hpp"
#include "mx_rmq/log.hpp"
#include "mx_rmq/message.hpp"
#include "mx_rmq/metrics.hpp"
#include "mx_rmq/queue.hpp"
#include "mx_rmq/runtime.hpp"

using mx_rmq::Context;
using mx_rmq::Task;
using mx_rmq::detail::erase_handler;
using nlohmann::json;

struct Order {};
void from_json(const json&, Order&) {}

struct Service {
  Task<> on_order(const Order&, Context&) { co_return; }
  Task<> on_json(const json&) { co_return; }
  void on_context(Context&) const noexcept {}
  void on_both(const json&, Context&) & {}
};
Task<> with_number(int, const json&) { co_return; }
void plain(const json&, Context&) {}
struct Functor {
  void operator()(Context&) const {}
};

void all(Service& service) {
  (void)erase_handler([](const json&) -> Task<> { co_return; });
  (void)erase_handler([](Context&) -> Task<> { co_return; });
  (void)erase_handler([](const json&, Context&) -> Task<> { co_return; });
  (void)erase_handler([](json, Context&) noexcept {});
  (void)erase_handler([](const json&) mutable {});
  (void)erase_handler<Order>([](Order) -> Task<> { co_return; });
  (void)erase_handler<Order>([](const Order&, Context&) {});
  (void)erase_handler<Order>([&service](const Order& order, Context& context) {
    return service.on_order(order, context);
  });
  (void)erase_handler<Order>([](const auto&, auto&) {});
  (void)erase_handler([](const auto&, Context&) {});

  (void)erase_handler<Order>(std::bind_front(&Service::on_order, &service));
  (void)erase_handler(std::bind_front(&Service::on_json, std::ref(service)));
  (void)erase_handler(std::bind_front(&Service::on_context, std::make_shared<Service>()));
  (void)erase_handler(std::bind_front(&Service::on_both, service));
  (void)erase_handler(std::bind_front(with_number, 1));
  (void)erase_handler(std::bind_front(plain));
  (void)erase_handler(std::bind_front([](int, long, Context&) {}, 1, 2L));
  (void)erase_handler(std::bind_front(std::bind_front([](int, long, const json&) {}, 1), 2L));
  (void)erase_handler(std::bind_front([](int, const auto&, auto&) {}, 1));
  (void)erase_handler<Order>(std::bind_front([](int, const auto&) {}, 1));
  const Functor functor;
  (void)erase_handler(std::ref(functor));
  (void)erase_handler(std::ref(plain));
  (void)erase_handler(std::bind(&Service::on_json, &service, std::placeholders::_1));
  (void)erase_handler(std::bind(&Service::on_context, &service, std::placeholders::_1));
  (void)erase_handler(std::bind(&Service::on_context, &service, std::placeholders::_2));
  (void)erase_handler<Order>(
      std::bind(&Service::on_order, &service, std::placeholders::_1, std::placeholders::_2));
}

void times(Context& context, mx_rmq::RedisMessageQueue& queue) {
  using namespace std::chrono_literals;
  (void)mx_rmq::ProduceOptions{}.delay(1.5s).ttl(250us).delay(1min).ttl(2ms);
  (void)mx_rmq::HandlerOptions{}.timeout(0.5s).timeout(1h);
  (void)mx_rmq::HandlerOptions{}.retry_delays({0.5s, 1.5s}).retry_delays({1s, 1min});
  (void)mx_rmq::HandlerOptions{}.retry_delays({1.5s, 3s, 1min, 250us}).retry_delays({2s});
  (void)mx_rmq::HandlerOptions{}.retry_delays({}).retry_delays(
      std::vector<std::chrono::milliseconds>{1s});
  (void)mx_rmq::RetryAfter(1.5s);
  (void)mx_rmq::RetryAfter(1s, "why");
  (void)mx_rmq::RetryAfter(1.5s, "why");
  (void)context.extend(1.5min);
  (void)mx_rmq::sleep_for(1.5s);
  (void)mx_rmq::sleep_for(1ns);
  queue.run(1.5s);
  queue.run(1s);
  queue.run({});
  queue.run(std::nullopt);
  queue.run();
}
