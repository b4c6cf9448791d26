// One node of the redis layer on a runtime of its own, for tests on a real server.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "mx_rmq/runtime.hpp"
#include "mx_rmq/sync_wait.hpp"
#include "redis/topology/client.hpp"
#include "redis/topology/node.hpp"
#include "runtime/event_loop.hpp"
#include "runtime/on_loop.hpp"

namespace mx_rmq::test {

using namespace std::chrono_literals;

// On real sockets. To be called on the loop thread.
inline std::unique_ptr<redis::Node> make_node(runtime::EventLoop& loop,
                                              redis::ClientOptions options) {
  redis::Seams seams = redis::Seams::real(loop, options.connection);
  return std::make_unique<redis::Node>(loop, std::move(options), std::move(seams));
}

inline std::shared_ptr<redis::Client> make_client(runtime::EventLoop& loop,
                                                  redis::ClientOptions options) {
  redis::Seams seams = redis::Seams::real(loop, options.connection);
  return redis::make_client(loop, std::move(options), std::move(seams));
}

// The node lives on the loop thread and is closed and destroyed there.
class RedisLoop {
 public:
  explicit RedisLoop(redis::ClientOptions options) {
    on_loop([&] { client_ = make_node(loop(), std::move(options)); });
  }
  // With a transport, resolver or randomness of the test's: `seams` makes them on the loop thread.
  RedisLoop(
      redis::ClientOptions options,
      std::function<redis::Seams(runtime::EventLoop&, const redis::ConnectionOptions&)> seams) {
    on_loop([&] {
      client_ = std::make_unique<redis::Node>(loop(), options, seams(loop(), options.connection));
    });
  }
  ~RedisLoop() { close(); }
  RedisLoop(const RedisLoop&) = delete;
  RedisLoop& operator=(const RedisLoop&) = delete;

  runtime::EventLoop& loop() { return runtime_.event_loop(); }
  redis::Node& client() { return *client_; }

  // Runs a task that `make` makes on the loop thread, to its end.
  template <class Make>
  auto run(Make make) {
    return sync_wait(runtime::run_on(loop(), std::move(make)));
  }
  // Runs a plain function there.
  template <class Function>
  void on_loop(Function function) {
    std::function<void()> call(std::move(function));
    run([&call] { return call_it(&call); });
  }
  // Sends one command on a lane.
  redis::Reply send(redis::Command command, std::chrono::milliseconds timeout = 30s,
                    std::size_t lane = 0) {
    return run([&] { return client().lane(lane).send(command, loop().now() + timeout); });
  }
  void close(std::chrono::milliseconds timeout = 2s) {
    if (client_ == nullptr) return;
    run([&] { return client().close(loop().now() + timeout); });
    on_loop([&] { client_.reset(); });
  }

 private:
  static Task<> call_it(std::function<void()>* call) {
    (*call)();
    co_return;
  }

  Runtime runtime_;
  std::unique_ptr<redis::Node> client_;
};

inline redis::ClientOptions client_options(const std::string& url) {
  redis::ClientOptions options;
  options.endpoint = redis::parse_url(url);
  options.pool_size = 2;
  return options;
}

}  // namespace mx_rmq::test
