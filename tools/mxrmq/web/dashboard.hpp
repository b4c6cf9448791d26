#pragma once

#include <chrono>
#include <mx_rmq/mx_rmq.hpp>

#include "web/guard.hpp"
#include "web/http_server.hpp"
#include "web/sampler.hpp"

namespace mxrmq::web {

/// The dashboard: pages, API and events. Constructed, it listens. The queue must outlive it.
class Dashboard {
 public:
  Dashboard(mx_rmq::RedisMessageQueue& queue, const HttpServer::Options& listen,
            std::set<std::string> more_hosts, std::string token);

  [[nodiscard]] std::uint16_t port() const noexcept { return server_.port(); }

 private:
  void answer(Request request, const HttpServer::Answer& answer) const;
  [[nodiscard]] Response open_session(const Request& request) const;
  void ask_queue(const Request& request, const HttpServer::Answer& answer) const;

  mx_rmq::RedisMessageQueue& queue_;
  Sampler sampler_;
  HttpServer server_;  // begins to answer last, and ends first
  const Guard guard_;
};

}  // namespace mxrmq::web
