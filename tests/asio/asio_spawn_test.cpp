// Handlers that take a yield_context of Asio.
#include "mx_rmq/asio_spawn.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <thread>

#include "support/queue_fixture.hpp"

namespace mx_rmq::test {
namespace {

namespace net = asio_detail::net;

class AsioSpawn : public QueueTest {
 protected:
  AsioSpawn() : guard_(net::make_work_guard(io_)), thread_([this] { io_.run(); }) {}
  ~AsioSpawn() override { end(); }
  void end() {
    guard_.reset();
    io_.stop();
    if (thread_.joinable()) thread_.join();
  }
  static bool reaches(const std::string& topic, const std::string& name, std::int64_t count) {
    return wait_for(
        patience, [&] { return stat(server(), topic, name) == count; }, 5ms);
  }

  net::io_context io_;
  net::executor_work_guard<net::io_context::executor_type> guard_;
  std::thread thread_;
};

TEST_F(AsioSpawn, AHandlerMayTakeAYieldContextBehindAnyOfTheArguments) {
  std::atomic<int> sum{0};
  std::atomic<int> elsewhere{0};
  const auto pause = [&](net::yield_context yield) {
    net::steady_timer timer(io_, 1ms);
    timer.async_wait(yield);
    if (std::this_thread::get_id() != thread_.get_id()) ++elsewhere;
  };
  MQConfig two = config();
  two.max_retries = 1;
  RedisMessageQueue queue(two);
  queue.register_handler("payload",
                         asio_handler(io_, [&](const json& payload, net::yield_context yield) {
                           pause(yield);
                           sum += payload.get<int>();
                         }));
  queue.register_handler("context",
                         asio_handler(io_, [&](Context& context, net::yield_context yield) {
                           as_asio(context.extend(10s), yield);
                           sum += context.message().payload.get<int>();
                         }));
  queue.register_handler<int>(
      "both", asio_handler(io_, [&](int number, Context& context, net::yield_context yield) {
        pause(yield);
        if (context.attempt() == 1) throw number;
        sum += number;
      }));
  start(queue);
  for (const char* topic : {"payload", "context", "both"}) {
    produce(queue, topic, 1);
    ASSERT_TRUE(reaches(topic, "completed", 1)) << topic;
  }
  EXPECT_EQ(sum, 3);
  EXPECT_EQ(elsewhere, 0);
  EXPECT_EQ(stat(server(), "both", "retried"), 1);
  stop(queue);
}

TEST_F(AsioSpawn, WhatAContextThatIsStoppedWasRunningFailsWhenThatIsDestroyed) {
  MQConfig one = config();
  one.max_retries = 0;
  RedisMessageQueue queue(one);
  auto own = std::make_unique<net::io_context>();
  std::atomic<bool> began{false};
  queue.register_handler(
      "t", asio_handler(*own, [&, io = own.get()](const json&, net::yield_context yield) {
        net::steady_timer timer(*io, 1h);
        began = true;
        timer.async_wait(yield);
      }));
  start(queue);
  produce(queue, "t", 1);
  {
    const auto guard = net::make_work_guard(*own);
    while (!began) own->run_for(10ms);
  }
  own.reset();
  ASSERT_TRUE(reaches("t", "dead", 1));
}

}  // namespace
}  // namespace mx_rmq::test
