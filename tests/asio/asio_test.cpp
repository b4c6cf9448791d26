// Tasks awaited by Asio, and Asio's coroutines as handlers: compiled with Boost.Asio and with
// standalone Asio, as far as each is there.
#include "mx_rmq/asio.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <exception>
#include <future>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/queue_fixture.hpp"

namespace mx_rmq::test {
namespace {

#ifdef MX_RMQ_STANDALONE_ASIO
namespace net = ::asio;
#else
namespace net = ::boost::asio;
#endif

Task<int> answer(int value) {
  co_await sleep_for(1ms);
  co_return value;
}
Task<> fail(std::string why) {
  co_await sleep_for(1ms);
  throw std::runtime_error(why);
}
Task<int> fail_at_once() {
  throw std::invalid_argument("no such thing");
  co_return 0;
}

/// Threads that run a context, for as long as this lives.
class Running {
 public:
  explicit Running(net::io_context& context, int threads = 1)
      : guard_(net::make_work_guard(context)), context_(context) {
    for (int i = 0; i < threads; ++i) threads_.emplace_back([&context] { context.run(); });
  }
  ~Running() {
    guard_.reset();
    context_.stop();
    for (auto& thread : threads_) thread.join();
  }
  std::thread::id id() const { return threads_.front().get_id(); }

 private:
  net::executor_work_guard<net::io_context::executor_type> guard_;
  net::io_context& context_;
  std::vector<std::thread> threads_;
};

// --- tasks ---

TEST(AsAsio, ACallbackGetsTheResultOnItsExecutorAndTheContextWaitsForIt) {
  net::io_context io;
  int got = 0;
  std::thread::id where;
  as_asio(answer(7), net::bind_executor(io, [&](std::exception_ptr error, int value) {
            EXPECT_EQ(error, nullptr);
            got = value;
            where = std::this_thread::get_id();
          }));
  EXPECT_EQ(got, 0) << "never called before it returns";
  EXPECT_EQ(io.run(), 1U);
  EXPECT_EQ(got, 7);
  EXPECT_EQ(where, std::this_thread::get_id());
}

TEST(AsAsio, ACallbackGetsTheErrorAndADefaultResult) {
  net::io_context io;
  std::string late;
  std::string at_once;
  as_asio(fail("broken"), net::bind_executor(io, [&](std::exception_ptr error) {
            late = thrown_by([&] { std::rethrow_exception(error); });
          }));
  as_asio(fail_at_once(), net::bind_executor(io, [&](std::exception_ptr error, int value) {
            at_once = thrown_by([&] { std::rethrow_exception(error); });
            EXPECT_EQ(value, 0);
          }));
  io.run();
  EXPECT_EQ(late, "broken");
  EXPECT_EQ(at_once, "no such thing");
}

TEST(AsAsio, AFutureIsAsGoodAsAnyToken) {
  std::future<int> good = as_asio(answer(3), net::use_future);
  std::future<void> bad = as_asio(fail("broken"), net::use_future);
  EXPECT_EQ(good.get(), 3);
  EXPECT_THROW(bad.get(), std::runtime_error);
}

TEST(AsAsio, AResultMayBeOfATypeThatIsOnlyMoved) {
  net::io_context io;
  const auto make = []() -> Task<std::unique_ptr<int>> { co_return std::make_unique<int>(5); };
  int got = 0;
  as_asio(make(), net::bind_executor(io, [&, own = std::make_unique<int>(1)](
                                             std::exception_ptr, std::unique_ptr<int> value) {
            got = *value + *own;
          }));
  io.run();
  EXPECT_EQ(got, 6);
}

TEST(AsAsio, AnEmptyTaskIsRefused) {
  Task<int> empty = answer(1);
  const Task<int> taken = std::move(empty);
  EXPECT_THROW(as_asio(std::move(empty), [](std::exception_ptr, int) {}), std::logic_error);
}

TEST(AsAsio, AContextThatIsDestroyedDropsTheHandlerAndTheTaskGoesOn) {
  std::promise<void> go;
  std::promise<void> over;
  const auto held = std::make_shared<int>(1);
  auto wait = [](std::future<void> gate, std::promise<void>* end) -> Task<> {
    auto call = run_blocking([&gate] { gate.wait(); });
    co_await std::move(call);
    end->set_value();
  };
  {
    net::io_context io;
    as_asio(wait(go.get_future(), &over),
            net::bind_executor(io, [held](std::exception_ptr) { ADD_FAILURE() << "it is gone"; }));
  }
  EXPECT_EQ(held.use_count(), 1) << "the handler was not freed with its context";
  go.set_value();
  over.get_future().wait();
}

TEST(AsAsio, ManyAtOnceFromManyThreads) {
  constexpr int count = 500;
  std::atomic<int> sum{0};
  net::thread_pool pool(3);
  for (int i = 0; i < count; ++i) {
    net::post(pool, [&] {
      as_asio(answer(1), net::bind_executor(pool, [&](std::exception_ptr error, int value) {
                EXPECT_EQ(error, nullptr);
                sum += value;
              }));
    });
  }
  pool.join();
  EXPECT_EQ(sum, count);
}

#ifdef MX_RMQ_ASIO_CANCELS
TEST(AsAsio, ACancellationSlotEndsTheWaitAndTheTaskGoesOn) {
  net::io_context io;
  net::cancellation_signal signal;
  std::string what;
  as_asio(sleep_for(1h), net::bind_cancellation_slot(
                             signal.slot(), net::bind_executor(io, [&](std::exception_ptr error) {
                               try {
                                 std::rethrow_exception(error);
                               } catch (const asio_detail::SystemError& e) {
                                 what = e.code() == net::error::operation_aborted ? "aborted" : "?";
                               }
                             })));
  net::post(io, [&] { signal.emit(net::cancellation_type::total); });
  io.run();
  EXPECT_EQ(what, "aborted");
  signal.emit(net::cancellation_type::total);  // nobody listens any more
}
#endif

// --- coroutines of Asio ---

#ifdef MX_RMQ_ASIO_AWAITS

class AsioQueue : public QueueTest {
 protected:
  static bool reaches(const std::string& topic, const std::string& name, std::int64_t count) {
    return wait_for(
        patience, [&] { return stat(server(), topic, name) == count; }, 5ms);
  }
};

struct Order {
  std::int64_t number = 0;
};
void from_json(const json& from, Order& order) { from.at("number").get_to(order.number); }

net::awaitable<void> produce_three(RedisMessageQueue* queue, std::thread::id* where,
                                   std::string* error) {
  for (int i = 0; i < 3; ++i) {
    json payload = i;
    const std::string id =
        co_await as_asio(queue->produce("t", std::move(payload)), net::use_awaitable);
    EXPECT_FALSE(id.empty());
  }
  *where = std::this_thread::get_id();
  try {
    co_await as_asio(fail("broken"), net::use_awaitable);
  } catch (const std::runtime_error& e) {
    *error = e.what();
  }
}

TEST_F(AsioQueue, AnAwaitableProducesAndResumesOnItsExecutor) {
  RedisMessageQueue queue(config());
  net::io_context io;
  std::thread::id where;
  std::string error;
  net::co_spawn(io, produce_three(&queue, &where, &error), net::detached);
  io.run();
  EXPECT_EQ(where, std::this_thread::get_id());
  EXPECT_EQ(error, "broken");
  EXPECT_EQ(audit(server(), "t")["ready"], 3);
}

TEST_F(AsioQueue, AHandlerMayBeACoroutineOfAsioWithAnyOfTheArguments) {
  net::io_context io;
  const Running running(io);
  const auto journal = std::make_shared<Journal>();
  std::atomic<int> elsewhere{0};
  std::atomic<std::int64_t> numbers{0};
  const auto here = [&elsewhere, id = running.id()] {
    if (std::this_thread::get_id() != id) ++elsewhere;
  };
  const auto pause = []() -> net::awaitable<void> {
    auto executor = co_await net::this_coro::executor;
    net::steady_timer timer(executor, 1ms);
    co_await timer.async_wait(net::use_awaitable);
  };
  RedisMessageQueue queue(config());
  queue.register_handler("payload",
                         asio_handler(io, [&](const json& payload) -> net::awaitable<void> {
                           here();
                           co_await pause();
                           here();
                           numbers += payload.at("number").get<int>();
                         }));
  queue.register_handler(
      "context", asio_handler(io.get_executor(), [&](Context& context) -> net::awaitable<void> {
        co_await pause();
        journal->add(context);
      }));
  queue.register_handler(
      "both", asio_handler(io, [&](json payload, Context& context) -> net::awaitable<void> {
        co_await as_asio(context.extend(10s), net::use_awaitable);
        here();
        numbers += payload.at("number").get<int>();
        if (context.attempt() == 1) throw std::runtime_error("once more");
      }));
  queue.register_handler<Order>("order", asio_handler(io, [&](Order order) -> net::awaitable<void> {
                                  co_await pause();
                                  numbers += order.number;
                                }));
  queue.register_handler<Order>(
      "order-context", asio_handler(io, [&](const Order& order, Context&) -> net::awaitable<void> {
        co_await pause();
        numbers += order.number;
      }));
  start(queue);
  for (const char* topic : {"payload", "context", "both", "order", "order-context"}) {
    produce(queue, topic, json{{"number", 1}});
    ASSERT_TRUE(reaches(topic, "completed", 1)) << topic;
  }
  EXPECT_EQ(numbers, 5);
  EXPECT_EQ(stat(server(), "both", "retried"), 1);
  EXPECT_EQ(journal->size(), 1U);
  EXPECT_EQ(elsewhere, 0);
  stop(queue);
}

TEST_F(AsioQueue, WhatAContextThatIsDestroyedWasRunningCountsAsFailed) {
  MQConfig one = config();
  one.max_retries = 0;
  RedisMessageQueue queue(one);
  auto io = std::make_unique<net::io_context>();
  std::promise<void> began;
  queue.register_handler("t", asio_handler(*io, [&](const json&) -> net::awaitable<void> {
                           auto executor = co_await net::this_coro::executor;
                           net::steady_timer timer(executor, 1h);
                           began.set_value();
                           co_await timer.async_wait(net::use_awaitable);
                         }));
  start(queue);
  {
    const Running running(*io);
    produce(queue, "t", 1);
    began.get_future().wait();
  }
  io.reset();
  ASSERT_TRUE(reaches("t", "dead", 1));
  EXPECT_NE(sync_wait(queue.dead_letters().list("t")).at(0).last_error.find("dropped"),
            std::string::npos);
}

TEST_F(AsioQueue, ManyRunsOnSeveralThreads) {
  constexpr int count = 200;
  net::io_context io;
  const Running running(io, 3);
  MQConfig wide = config();
  wide.max_workers = 20;
  RedisMessageQueue queue(wide);
  std::atomic<int> sum{0};
  queue.register_handler("t", asio_handler(io, [&sum](const json& payload) -> net::awaitable<void> {
                           auto executor = co_await net::this_coro::executor;
                           net::steady_timer timer(executor, 1ms);
                           co_await timer.async_wait(net::use_awaitable);
                           sum += payload.get<int>();
                         }));
  start(queue);
  for (int i = 0; i < count; ++i) produce(queue, "t", 1);
  ASSERT_TRUE(reaches("t", "completed", count));
  EXPECT_EQ(sum, count);
  stop(queue);
}

#ifdef MX_RMQ_ASIO_CANCELS
TEST_F(AsioQueue, TheDeadlineCancelsWhatTheCoroutineAwaits) {
  MQConfig one = config();
  one.max_retries = 0;
  net::io_context io;
  const Running running(io, 2);
  RedisMessageQueue queue(one);
  std::promise<std::string> ended;
  queue.register_handler("t",
                         asio_handler(io,
                                      [&](const json&) -> net::awaitable<void> {
                                        auto executor = co_await net::this_coro::executor;
                                        net::steady_timer timer(executor, 1h);
                                        std::string what;
                                        try {
                                          co_await timer.async_wait(net::use_awaitable);
                                        } catch (const asio_detail::SystemError& e) {
                                          what = e.what();
                                        }
                                        ended.set_value(what);
                                      }),
                         HandlerOptions{}.timeout(50ms));
  start(queue);
  produce(queue, "t", 1);
  EXPECT_NE(ended.get_future().get(), "");
  stop(queue);
}
#endif
#endif

}  // namespace
}  // namespace mx_rmq::test
