// Each line with BAD has to be refused by the sentence after it, and by nothing else.
#include <functional>
#include <string>

#include "mx_rmq/handler.hpp"

using mx_rmq::Context;
using mx_rmq::Task;
using mx_rmq::detail::erase_handler;
using nlohmann::json;

struct Order {};
void from_json(const json&, Order&) {}
struct Opaque {};

struct Overloaded {
  void operator()(const json&) {}
  void operator()(Context&) {}
};
struct OneOrTwo {
  void operator()(const json&) {}
  void operator()(const json&, Context&) {}
};
struct OnTemporariesOnly {
  void operator()(const json&) && {}
};
struct Member {
  void handle(const json&) {}
};

int returns_a_number(const json&) { return 1; }

void all() {
  // clang-format off
  (void)erase_handler([] {});  // BAD: mx_rmq: a handler returns Task<>
  (void)erase_handler([](int) {});  // BAD: mx_rmq: a handler returns Task<>
  (void)erase_handler([](const std::string&) {});  // BAD: mx_rmq: a handler returns Task<>
  (void)erase_handler([](json&) {});  // BAD: mx_rmq: a handler returns Task<>
  (void)erase_handler([](Context) {});  // BAD: mx_rmq: a handler returns Task<>
  (void)erase_handler([](Context*) {});  // BAD: mx_rmq: a handler returns Task<>
  (void)erase_handler([](Context&, const json&) {});  // BAD: mx_rmq: a handler returns Task<>
  (void)erase_handler([](const json&, Context&, int) {});  // BAD: mx_rmq: a handler returns Task<>
  (void)erase_handler([](const json&) { return 1; });  // BAD: mx_rmq: a handler returns Task<>
  (void)erase_handler([](const json&) { return true; });  // BAD: mx_rmq: a handler returns Task<>
  (void)erase_handler([](const json&) -> Task<int> { co_return 1; });  // BAD: mx_rmq: a handler returns Task<>
  (void)erase_handler([](const auto& payload) { payload.at("a"); });  // BAD: mx_rmq: what a handler takes must be told by its type
  (void)erase_handler([](auto& context) { context.id(); });  // BAD: mx_rmq: what a handler takes must be told by its type
  (void)erase_handler([](auto&&...) {});  // BAD: mx_rmq: what a handler takes must be told by its type
  (void)erase_handler(Overloaded{});  // BAD: mx_rmq: what a handler takes must be told by its type
  (void)erase_handler(OneOrTwo{});  // BAD: mx_rmq: what a handler takes must be told by its type
  (void)erase_handler(OnTemporariesOnly{});  // BAD: mx_rmq: a handler returns Task<>
  (void)erase_handler(&Member::handle);  // BAD: mx_rmq: a member function is a handler only together with its object
  (void)erase_handler(std::bind_front(&Member::handle));  // BAD: mx_rmq: what a handler takes must be told by its type
  (void)erase_handler(std::bind_front(&Member::handle, Member(), json()));  // BAD: mx_rmq: a handler returns Task<>
  (void)erase_handler(std::bind_front(&Member::handle, 42));  // BAD: mx_rmq: a handler returns Task<>
  (void)erase_handler(std::bind_front([](int, const std::string&) {}, 1));  // BAD: mx_rmq: a handler returns Task<>
  (void)erase_handler(std::bind_front([](int, const auto&) {}, 1));  // BAD: mx_rmq: what a handler takes must be told by its type
  (void)erase_handler(std::ref(returns_a_number));  // BAD: mx_rmq: a handler returns Task<>
  (void)erase_handler(std::bind([](const auto&) {}, std::placeholders::_1));  // BAD: mx_rmq: what a handler takes must be told by its type
  (void)erase_handler(Opaque{});  // BAD: mx_rmq: what a handler takes must be told by its type
  (void)erase_handler(42);  // BAD: mx_rmq: a handler returns Task<>
  (void)erase_handler(std::function<int(const json&)>());  // BAD: mx_rmq: a handler returns Task<>
  (void)erase_handler<Order>([](Context&) {});  // BAD: mx_rmq: a handler returns Task<>
  (void)erase_handler<Order>([](const json&) {});  // BAD: mx_rmq: a handler returns Task<>
  (void)erase_handler<Order>([](Order&) {});  // BAD: mx_rmq: a handler returns Task<>
  (void)erase_handler<Order>([](Order, Context) {});  // BAD: mx_rmq: a handler returns Task<>
  (void)erase_handler<Order>([](Order) { return 1; });  // BAD: mx_rmq: a handler returns Task<>
  (void)erase_handler<Opaque>([](Opaque) {});  // BAD: mx_rmq: the payload type T needs from_json
  // clang-format on
}
