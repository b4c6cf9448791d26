#include "queue/metrics_server.hpp"

#include <string>
#include <string_view>
#include <utility>

#include "mx_rmq/errors.hpp"
#include "mx_rmq/queue.hpp"
#include "queue/core.hpp"
#include "queue/health.hpp"
#include "queue/metrics.hpp"
#include "runtime/log.hpp"

namespace mx_rmq::queue {
namespace {

using runtime::HttpRequest;
using runtime::HttpResponse;

constexpr const char* plain = "text/plain; charset=utf-8";

bool is_loopback(std::string_view address) {
  return address.starts_with("127.") || address == "::1";
}

// Without its port.
std::string_view host_of(std::string_view host) {
  if (host.starts_with('[')) return host.substr(1, host.find(']') - 1);
  return host.substr(0, host.find(':'));
}

}  // namespace

MetricsServer::MetricsServer(detail::QueueCore& core, MetricsServerOptions options)
    : core_(core),
      options_(std::move(options)),
      collected_(core.loop()),
      listener_(
          core.loop(), options_.address(), options_.port(),
          [this](HttpRequest request) { return answer(std::move(request)); },
          runtime::HttpListener::Limits()) {
  collected_.set();
}

MetricsServer::Collecting::Collecting(MetricsServer& server) : server_(server) {
  server_.collecting_ = true;
  server_.collected_.reset();
}

MetricsServer::Collecting::~Collecting() {
  server_.collecting_ = false;
  server_.collected_.set();
}

// A page of somebody's that has its name lead to this machine (DNS rebinding) is not answered.
bool MetricsServer::may_be_called(const std::string& host) const {
  if (!is_loopback(options_.address()) || host.empty()) return true;
  const std::string_view name = host_of(host);
  return name == "localhost" || is_loopback(name);
}

Task<HttpResponse> MetricsServer::answer(HttpRequest request) {
  if (!may_be_called(request.host))
    co_return HttpResponse(421, plain, "not a name of this server\n");
  const std::string path = request.target.substr(0, request.target.find('?'));
  const bool openmetrics = request.accept.find("application/openmetrics-text") != std::string::npos;
  if (path == "/healthz") {
    Task<HttpResponse> answering = health();
    co_return co_await std::move(answering);
  }
  if (path == "/metrics") {
    Task<HttpResponse> answering = metrics(openmetrics);
    co_return co_await std::move(answering);
  }
  co_return HttpResponse(404, plain, "there are /metrics and /healthz\n");
}

Task<HttpResponse> MetricsServer::metrics(bool openmetrics) {
  const bool cluster_wide = options_.scope() == MetricsScope::cluster;
  Task<MetricsSnapshot> collecting =
      cluster_wide ? cluster() : collect_process_metrics(core_.shared_from_this());
  const MetricsSnapshot snapshot = co_await std::move(collecting);
  const MetricsFormat format = openmetrics ? MetricsFormat::openmetrics : MetricsFormat::prometheus;
  HttpResponse response;
  response.status = 200;
  response.type = openmetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                              : "text/plain; version=0.0.4; charset=utf-8";
  response.body = snapshot.to_text(options_.scope(), format, options_.max_topics());
  co_return response;
}

Task<MetricsSnapshot> MetricsServer::cluster() {
  runtime::EventLoop& loop = core_.loop();
  const auto fresh = [&] {
    return kept_ && loop.now() - kept_since_ < runtime::Duration(options_.max_age());
  };
  if (!collecting_ && fresh()) co_return *kept_;
  const bool others = collecting_;
  while (collecting_) co_await collected_.wait();
  if (others && kept_) co_return *kept_;  // it was collected while this one waited
  const Collecting collecting_now(*this);
  MetricsSnapshot snapshot;
  std::string trouble;
  try {
    Task<MetricsSnapshot> collecting = collect_all_metrics(core_.shared_from_this());
    snapshot = co_await std::move(collecting);
  } catch (const Error& error) {
    snapshot = MetricsSnapshot();
    snapshot.redis_answered = false;
    trouble = error.what();
  }
  if (!trouble.empty()) runtime::log::warn("the metrics could not be collected", "error", trouble);
  kept_ = snapshot;
  kept_since_ = loop.now();
  co_return snapshot;
}

Task<HttpResponse> MetricsServer::health() {
  Task<HealthReport> checking = check_health(core_.shared_from_this());
  const HealthReport report = co_await std::move(checking);
  HttpResponse response;
  response.status = report.healthy ? 200 : 503;
  for (const auto& [check, state] : report.checks) response.body += check + ": " + state + '\n';
  co_return response;
}

Task<std::uint16_t> serve_metrics(std::shared_ptr<detail::QueueCore> core,
                                  MetricsServerOptions options) {
  co_await core->loop().schedule();
  co_return core->serve_metrics(std::move(options));
}

}  // namespace mx_rmq::queue
