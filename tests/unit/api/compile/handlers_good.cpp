// Every public header of this layer, and every form of a handler that is allowed.
#include "mx_rmq/config.hpp"
#include "mx_rmq/dead_letters.hpp"
#include "mx_rmq/errors.hpp"
#include "mx_rmq/handler.hpp"
#include "mx_rmq/log.hpp"
#include "mx_rmq/message.hpp"
#include "mx_rmq/metrics.hpp"

using mx_rmq::Context;
using mx_rmq::Task;
using mx_rmq::detail::erase_handler;
using nlohmann::json;

struct Order {};
void from_json(const json&, Order&) {}

struct Service {
  Task<> on_order(const Order&, Context&) { co_return; }
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
}
