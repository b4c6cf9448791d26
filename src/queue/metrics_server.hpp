#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "mx_rmq/metrics.hpp"
#include "mx_rmq/metrics_server.hpp"
#include "mx_rmq/task.hpp"
#include "runtime/event.hpp"
#include "runtime/event_loop.hpp"
#include "runtime/http_listener.hpp"

namespace mx_rmq::detail {
class QueueCore;
}  // namespace mx_rmq::detail

namespace mx_rmq::queue {

/// Answers GET /metrics and /healthz for a queue. What it tells of the cluster it collects once for
/// all who ask at the same time, and keeps for a while. Loop thread only; close() and join() come
/// before it is destroyed.
class MetricsServer {
 public:
  /// The queue owns it. Throws as HttpListener.
  MetricsServer(detail::QueueCore& core, MetricsServerOptions options);

  [[nodiscard]] std::uint16_t port() const noexcept { return listener_.port(); }
  void close() noexcept { listener_.close(); }
  Task<> join() { return listener_.join(); }

 private:
  /// While one lives the figures are being collected; others wait.
  class Collecting {
   public:
    explicit Collecting(MetricsServer& server);
    ~Collecting();
    Collecting(const Collecting&) = delete;
    Collecting& operator=(const Collecting&) = delete;

   private:
    MetricsServer& server_;
  };

  Task<runtime::HttpResponse> answer(runtime::HttpRequest request);
  Task<runtime::HttpResponse> metrics(bool openmetrics);
  Task<runtime::HttpResponse> health();
  Task<MetricsSnapshot> cluster();
  [[nodiscard]] bool may_be_called(const std::string& host) const;

  detail::QueueCore& core_;
  const MetricsServerOptions options_;
  bool collecting_ = false;
  runtime::Event collected_;  // set while nobody collects
  std::optional<MetricsSnapshot> kept_;
  runtime::TimePoint kept_since_{};
  runtime::HttpListener listener_;  // last: it calls the others
};

/// RedisMessageQueue::serve_metrics().
Task<std::uint16_t> serve_metrics(std::shared_ptr<detail::QueueCore> core,
                                  MetricsServerOptions options);

}  // namespace mx_rmq::queue
