#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "mx_rmq/task.hpp"
#include "runtime/event_loop.hpp"
#include "runtime/http_request.hpp"

namespace mx_rmq::runtime {

/// What a request is answered.
struct HttpResponse {
  HttpResponse() {}  // user-provided: g++ 12 destroys aggregates in co_await twice
  HttpResponse(int status_is, std::string type_is, std::string body_is)
      : status(status_is), type(std::move(type_is)), body(std::move(body_is)) {}

  int status = 500;
  std::string type = "text/plain; charset=utf-8";
  std::string body;
};

/// A small server of HTTP/1 for who asks now and then: one request a connection, without a body. It
/// bounds the bytes of a request, the connections, and the time from the first byte to the last.
/// Loop thread only.
class HttpListener {
 public:
  struct Limits {
    std::size_t connections = 64;              ///< more are closed at once
    Duration time = std::chrono::seconds(20);  ///< of a connection, whatever happens
  };
  /// Runs on the loop. What it throws is answered with 500, and reported. The listener answers by
  /// itself what is no proper request, and methods but GET and HEAD.
  using Answer = std::function<Task<HttpResponse>(HttpRequest)>;

  /// `address` is a number, of IPv4 or IPv6; port 0: one that is free. Throws std::system_error if
  /// it cannot listen there, std::invalid_argument for an address that is none.
  HttpListener(EventLoop& loop, const std::string& address, std::uint16_t port, Answer answer,
               Limits limits);
  ~HttpListener();
  HttpListener(const HttpListener&) = delete;
  HttpListener& operator=(const HttpListener&) = delete;

  [[nodiscard]] std::uint16_t port() const noexcept;
  /// Connections that are open.
  [[nodiscard]] std::size_t connections() const noexcept;
  /// Listens no more, and ends all connections.
  void close() noexcept;
  /// After close(), before it is destroyed: waits for the answers that are being made.
  Task<> join();

 private:
  struct Connection;
  struct State;

  std::shared_ptr<State> state_;
};

}  // namespace mx_rmq::runtime
