#include "mx_rmq/handler.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "mx_rmq/sync_wait.hpp"
#include "unit/api/handler_testing.hpp"

namespace mx_rmq {
namespace {

using namespace std::chrono_literals;
using detail::erase_handler;
using detail::ErasedHandler;
using detail::PayloadDecodeError;
using nlohmann::json;
using test::context_with;

void run(const ErasedHandler& handler, json payload) {
  const auto context = context_with(std::move(payload));
  EXPECT_EQ(handler.blocking, static_cast<bool>(handler.plain));
  EXPECT_EQ(handler.blocking, !handler.coroutine);
  if (handler.blocking)
    handler.plain(*context);
  else
    sync_wait(handler.coroutine(context));
}

struct Order {
  std::string item;
  int count = 0;
};
void from_json(const json& payload, Order& order) {
  payload.at("item").get_to(order.item);
  payload.at("count").get_to(order.count);
}

// Payload types of other kinds: without default constructor, move-only, one that counts.
struct NoDefault {
  explicit NoDefault(int v) : value(v) {}
  int value;
};
struct MoveOnly {
  std::unique_ptr<int> value;
};
void from_json(const json& payload, MoveOnly& out) {
  out.value = std::make_unique<int>(payload.get<int>());
}

std::string seen;

Task<> free_coroutine(const json& payload) {
  seen = payload.dump();
  co_return;
}
void free_plain(const json& payload, Context& context) noexcept {
  seen = payload.dump() + context.id();
}

TEST(Handler, EveryFormForJsonIsTakenAndCalled) {
  std::string got;
  // NOLINTBEGIN(cppcoreguidelines-avoid-capturing-lambda-coroutines): the wrapper keeps captures
  // alive
  run(erase_handler([&](const json& payload) -> Task<> {
        got += payload.dump();
        co_return;
      }),
      1);
  run(erase_handler([&](Context& context) -> Task<> {
        got += context.topic();
        co_return;
      }),
      2);
  run(erase_handler([&](const json& payload, Context& context) -> Task<> {
        got += payload.dump() + context.id();
        co_return;
      }),
      3);
  // NOLINTEND(cppcoreguidelines-avoid-capturing-lambda-coroutines)
  run(erase_handler([&](const json& payload) { got += payload.dump(); }), 4);
  run(erase_handler([&](Context& context) { got += context.topic(); }), 5);
  run(erase_handler(
          [&](const json& payload, Context& context) { got += payload.dump() + context.id(); }),
      6);
  run(erase_handler([&](json payload) { got += payload.dump(); }), 7);
  EXPECT_EQ(got, "1orders3id-14orders6id-17");
}

TEST(Handler, EveryFormForATypeIsTakenAndCalled) {
  std::string got;
  const json order = {{"item", "nut"}, {"count", 2}};
  run(erase_handler<Order>([&](Order each) -> Task<> {
        got += each.item;
        co_return;
      }),
      order);
  run(erase_handler<Order>([&](const Order& each) -> Task<> {
        got += each.item;
        co_return;
      }),
      order);
  run(erase_handler<Order>([&](Order each, Context& c) -> Task<> {
        got += each.item + c.id();
        co_return;
      }),
      order);
  run(erase_handler<Order>([&](const Order& each, Context& c) { got += each.item + c.id(); }),
      order);
  run(erase_handler<Order>([&](Order each) { got += std::to_string(each.count); }), order);
  run(erase_handler<std::string>([&](const std::string& text) { got += text; }), "text");
  run(erase_handler<std::vector<int>>(
          [&](std::vector<int> all) { got += std::to_string(all.size()); }),
      json({1, 2, 3}));
  run(erase_handler<MoveOnly>([&](MoveOnly each) -> Task<> {
        got += std::to_string(*each.value);
        co_return;
      }),
      9);
  run(erase_handler<json>([&](const json& payload) { got += payload.dump(); }), json::array());
  EXPECT_EQ(got, "nutnutnutid-1nutid-12text39[]");
}

TEST(Handler, FunctionsStdFunctionsFunctorsAndMutableLambdasAreTaken) {
  run(erase_handler(free_coroutine), 1);
  EXPECT_EQ(seen, "1");
  run(erase_handler(&free_plain), 2);
  EXPECT_EQ(seen, "2id-1");
  run(erase_handler(std::function<Task<>(const json&)>(free_coroutine)), 3);
  EXPECT_EQ(seen, "3");
  struct Functor {
    void operator()(Context& context) const { seen = context.topic(); }
  };
  run(erase_handler(Functor{}), 4);
  EXPECT_EQ(seen, "orders");
  const ErasedHandler counting =
      erase_handler([n = 0](const json&) mutable { seen = std::to_string(++n); });
  run(counting, 5);
  run(counting, 6);
  EXPECT_EQ(seen, "2");  // one handler object for all runs
}

struct Service {
  std::string name;
  Task<> on_json(const json& payload) {
    seen = name + payload.dump();
    co_return;
  }
  void on_order(const Order& order, Context& context) const {
    seen = name + order.item + context.id();
  }
};

TEST(Handler, BoundFunctionsAndReferencesAreTaken) {
  Service service{"s"};
  run(erase_handler(std::bind_front(&Service::on_json, &service)), 1);
  EXPECT_EQ(seen, "s1");
  const auto shared = std::make_shared<Service>(Service{"shared"});
  run(erase_handler<Order>(std::bind_front(&Service::on_order, shared)),
      {{"item", "a"}, {"count", 1}});
  EXPECT_EQ(seen, "sharedaid-1");
  run(erase_handler(std::bind_front(
          [](const std::string& what, Context& context) { seen = what + context.topic(); }, "of ")),
      1);
  EXPECT_EQ(seen, "of orders");
  run(erase_handler(std::bind_front(
          [](int n, const auto& payload, auto& context) {
            seen = std::to_string(n) + payload.dump() + context.id();
          },
          7)),
      1);
  EXPECT_EQ(seen, "71id-1");
  run(erase_handler(std::bind(&Service::on_json, &service, std::placeholders::_1)), 2);
  EXPECT_EQ(seen, "s2");
  auto counting = [n = 0](const json&) mutable { seen = std::to_string(++n); };
  run(erase_handler(std::ref(counting)), 1);
  run(erase_handler(std::ref(counting)), 1);
  EXPECT_EQ(seen, "2") << "not a copy";
  run(erase_handler(std::ref(free_plain)), 3);
  EXPECT_EQ(seen, "3id-1");
}

TEST(Handler, TimesOfAnyUnitAreRoundedUp) {
  EXPECT_EQ(HandlerOptions{}.timeout(1.5s).timeout(), 1500ms);
  EXPECT_EQ(HandlerOptions{}.timeout(1us).timeout(), 1ms);
  EXPECT_EQ(HandlerOptions{}.timeout(2min).timeout(), 120s);
  EXPECT_EQ(HandlerOptions{}.retry_delays({0.5s, 1.5s}).retry_delays(),
            (std::vector<std::chrono::milliseconds>{500ms, 1500ms}));
  EXPECT_EQ(RetryAfter(0.0001s).delay(), 1ms);
  EXPECT_STREQ(RetryAfter(1.5s, "soon").what(), "soon");
  EXPECT_THROW(RetryAfter(-0.0001s), std::invalid_argument) << "not rounded to nothing";
}

TEST(Handler, GenericLambdasAreTakenWhereThereIsOneReading) {
  run(erase_handler(
          [](const auto& payload, auto& context) { seen = payload.dump() + context.id(); }),
      1);
  EXPECT_EQ(seen, "1id-1");
  run(erase_handler<Order>([](const auto& order) { seen = order.item; }),
      {{"item", "a"}, {"count", 1}});
  EXPECT_EQ(seen, "a");
}

TEST(Handler, MoveOnlyHandlersWork) {
  auto owned = std::make_unique<std::string>("owned");
  const ErasedHandler coroutine = erase_handler([owned = std::move(owned)](const json&) -> Task<> {
    seen = *owned;
    co_return;
  });
  run(coroutine, 1);
  EXPECT_EQ(seen, "owned");
  const ErasedHandler plain =
      erase_handler([p = std::make_unique<int>(7)](const json&) { seen = std::to_string(*p); });
  run(plain, 1);
  EXPECT_EQ(seen, "7");
}

TEST(Handler, NullFunctionsAreInvalidArguments) {
  const auto refused = [](auto handler) {
    try {
      (void)erase_handler(std::move(handler));
    } catch (const std::invalid_argument& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  EXPECT_EQ(refused(std::function<void(const json&)>()), "handler: it is null");
  EXPECT_EQ(refused(std::function<Task<>(Context&)>()), "handler: it is null");
  EXPECT_EQ(refused(static_cast<void (*)(const json&)>(nullptr)), "handler: it is null");
  EXPECT_EQ(refused(&free_plain), "accepted");
}

TEST(Handler, APayloadThatDoesNotDecodeFailsWithItsOwnTypeBeforeTheHandlerRuns) {
  bool ran = false;
  const ErasedHandler plain = erase_handler<Order>([&](const Order&) { ran = true; });
  const ErasedHandler coroutine = erase_handler<Order>([&](const Order&) -> Task<> {
    ran = true;
    co_return;
  });
  for (const json& bad :
       {json(nullptr), json::array(), json{{"item", 1}, {"count", 1}}, json{{"item", "a"}}}) {
    EXPECT_THROW(run(plain, bad), PayloadDecodeError) << bad;
    EXPECT_THROW(run(coroutine, bad), PayloadDecodeError) << bad;
  }
  EXPECT_FALSE(ran);
  try {
    run(plain, {{"item", "a"}});
  } catch (const PayloadDecodeError& error) {
    const std::string what = error.what();
    EXPECT_TRUE(what.starts_with("payload does not decode: ")) << what;
    EXPECT_NE(what.find("count"), std::string::npos) << what;
  }
}

struct Hostile {};
void from_json(const json&, Hostile&) { throw 42; }  // NOLINT: what a user might do
struct Hungry {};
void from_json(const json&, Hungry&) { throw std::bad_alloc(); }

TEST(Handler, WhateverFromJsonThrowsIsADecodeErrorExceptLackOfMemory) {
  EXPECT_THROW(run(erase_handler<Hostile>([](const Hostile&) {}), 1), PayloadDecodeError);
  EXPECT_THROW(run(erase_handler<Hungry>([](const Hungry&) {}), 1), std::bad_alloc);
}

TEST(Handler, WhatTheHandlerThrowsComesThroughUnchanged) {
  EXPECT_THROW(run(erase_handler([](const json&) { throw Reject("no"); }), 1), Reject);
  EXPECT_THROW(run(erase_handler([](const json&) -> Task<> {
                     throw RetryAfter(1s);
                     co_return;
                   }),
                   1),
               RetryAfter);
  EXPECT_THROW(run(erase_handler([](const json&) -> Task<> {
                     throw 5;
                     co_return;
                   }),
                   1),
               int);
}

TEST(Handler, CapturesPayloadAndContextLiveUntilTheRunHasEnded) {
  auto canary = std::make_shared<std::string>("capture");
  const std::weak_ptr<std::string> alive = canary;
  std::string result;
  std::vector<std::coroutine_handle<>> waiting;

  struct Park {
    std::vector<std::coroutine_handle<>>* waiting;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) const { waiting->push_back(handle); }
    void await_resume() const noexcept {}
  };
  ErasedHandler handler = erase_handler<Order>([canary = std::move(canary), &waiting, &result](
                                                   const Order& order, Context& context) -> Task<> {
    Park park{&waiting};
    co_await park;
    result = *canary + ' ' + order.item + ' ' + context.message().payload.dump();
  });
  auto context = context_with({{"item", "a long name that is not stored inline"}, {"count", 3}});
  Task<> task = handler.coroutine(std::move(context));
  handler = ErasedHandler();  // unregistered while it runs
  struct Driver {
    struct promise_type {
      Driver get_return_object() { return {}; }
      std::suspend_never initial_suspend() noexcept { return {}; }
      std::suspend_never final_suspend() noexcept { return {}; }
      void return_void() {}
      void unhandled_exception() { std::terminate(); }
    };
  };
  const auto drive = [](Task<> run, bool* done) -> Driver {
    co_await std::move(run);
    *done = true;
  };
  bool done = false;
  drive(std::move(task), &done);
  ASSERT_EQ(waiting.size(), 1U);
  EXPECT_FALSE(done);
  EXPECT_FALSE(alive.expired());
  waiting[0].resume();
  EXPECT_TRUE(done);
  EXPECT_EQ(result,
            "capture a long name that is not stored inline "
            "{\"count\":3,\"item\":\"a long name that is not stored inline\"}");
  EXPECT_TRUE(alive.expired());
}

}  // namespace
}  // namespace mx_rmq

template <>
struct nlohmann::adl_serializer<mx_rmq::NoDefault> {
  static mx_rmq::NoDefault from_json(const json& payload) {
    return mx_rmq::NoDefault(payload.get<int>());
  }
};

namespace mx_rmq {
TEST(Handler, TypesWithoutDefaultConstructorWorkThroughTheirSerializer) {
  int got = 0;
  run(erase_handler<NoDefault>([&](const NoDefault& each) { got = each.value; }), 11);
  EXPECT_EQ(got, 11);
}
}  // namespace mx_rmq
