#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "web/http.hpp"

namespace mxrmq::web {

/// An HTTP server on a thread of its own, by libmicrohttpd. Connections wait without a thread while
/// their answer is made, and while they listen to events.
class HttpServer {
 public:
  struct Options {
    std::string address = "127.0.0.1";  ///< numeric, of IPv4 or IPv6
    std::uint16_t port = 0;             ///< 0: a free one
    unsigned max_connections = 256;     ///< further ones wait until the kernel's queue is full
    unsigned idle_seconds = 15;         ///< without a byte, within a request or between two
  };
  /// To be called once, on any thread; later than the server's end it does nothing.
  using Answer = std::function<void(Response)>;
  /// Called on the server's thread, which it must not hold up.
  using Handler = std::function<void(Request, Answer)>;

  /// Listens; std::system_error if it cannot.
  explicit HttpServer(const Options& options);
  /// Begins to answer. To be called once. std::system_error if a thread cannot be had.
  void start(Handler handler);
  /// Ends all connections. The handler is not called any more.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  [[nodiscard]] std::uint16_t port() const noexcept;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace mxrmq::web
