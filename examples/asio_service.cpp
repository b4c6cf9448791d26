// A service built on Asio: connections of clients are coroutines of Asio, which produce; handlers
// are coroutines of Asio too, and everything of the service happens on its one io_context.
#include <mx_rmq/asio.hpp>
#include <mx_rmq/mx_rmq.hpp>

#include "support/console.hpp"

#ifdef MX_RMQ_ASIO_AWAITS

#include <array>
#include <chrono>
#include <iostream>
#include <istream>
#include <stdexcept>
#include <string>
#include <utility>

#include "support/private_redis.hpp"

namespace {

#ifdef MX_RMQ_STANDALONE_ASIO
namespace asio = ::asio;
#else
namespace asio = boost::asio;
#endif
using asio::awaitable;
using asio::use_awaitable;
using asio::ip::tcp;
using mx_rmq::as_asio;
using mx_rmq::asio_handler;
using mx_rmq::RedisMessageQueue;
using nlohmann::json;
using namespace std::chrono_literals;

constexpr int order_count = 5;

struct Service {
  asio::io_context io;
  RedisMessageQueue* queue = nullptr;
  int handled = 0;  // one thread: no lock
};

/// A client's connection: each line is an order, answered with the id of its message.
awaitable<void> serve(Service* service, tcp::socket socket) {
  std::string text;
  for (;;) {
    const std::size_t size =
        co_await asio::async_read_until(socket, asio::dynamic_buffer(text), '\n', use_awaitable);
    json order = {{"item", text.substr(0, size - 1)}};
    text.erase(0, size);
    std::string answer =
        co_await as_asio(service->queue->produce("orders", std::move(order)), use_awaitable);
    answer += '\n';
    co_await asio::async_write(socket, asio::buffer(answer), use_awaitable);
  }
}

awaitable<void> listen(Service* service, tcp::acceptor* acceptor) {
  tcp::socket socket = co_await acceptor->async_accept(use_awaitable);
  asio::co_spawn(service->io, serve(service, std::move(socket)), asio::detached);
}

awaitable<void> handle(Service* service, json order) {
  asio::steady_timer timer(co_await asio::this_coro::executor, 10ms);  // a request to somebody, say
  co_await timer.async_wait(use_awaitable);
  example::say("handled " + order.at("item").get<std::string>());
  ++service->handled;
}

awaitable<void> order(Service* service, tcp::endpoint where) {
  tcp::socket socket(service->io);
  co_await socket.async_connect(where, use_awaitable);
  std::string text;
  for (int number = 1; number <= order_count; ++number) {
    const std::string line = "tea no. " + std::to_string(number) + '\n';
    co_await asio::async_write(socket, asio::buffer(line), use_awaitable);
    const std::size_t size =
        co_await asio::async_read_until(socket, asio::dynamic_buffer(text), '\n', use_awaitable);
    example::say("ordered " + text.substr(0, size - 1));
    text.erase(0, size);
  }
}

/// The whole life of the service.
awaitable<void> run_service(Service* service, tcp::acceptor* acceptor) {
  co_await as_asio(service->queue->start_background(), use_awaitable);
  asio::co_spawn(service->io, listen(service, acceptor), asio::detached);
  co_await order(service, acceptor->local_endpoint());
  asio::steady_timer timer(service->io);
  for (int i = 0; i < 2000 && service->handled < order_count; ++i) {
    timer.expires_after(5ms);
    co_await timer.async_wait(use_awaitable);
  }
  co_await as_asio(service->queue->stop(), use_awaitable);
  service->io.stop();
}

int run() {
  const example::PrivateRedis redis;
  Service service;
  tcp::acceptor acceptor(service.io, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  RedisMessageQueue queue(redis.config());
  service.queue = &queue;
  queue.register_handler("orders", asio_handler(service.io, [&service](const json& order) {
                           return handle(&service, order);
                         }));
  asio::co_spawn(service.io, run_service(&service, &acceptor), asio::detached);
  service.io.run();

  example::Checks checks;
  checks.expect(service.handled == order_count, "each order was handled on the io_context");
  return checks.exit_code();
}

}  // namespace

int main(int argc, char** argv) {
  example::only_help(argc, argv,
                     "asio_service: connections and handlers are coroutines of Asio.\n"
                     "Runs on a Redis of its own, or on the one that REDIS_URL names.\n");
  return example::guarded(run);
}

#else

int main() { example::say("this Asio knows no coroutines with this compiler"); }

#endif
