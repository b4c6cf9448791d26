#include "queue/health.hpp"

#include <chrono>
#include <string>
#include <utility>

#include "mx_rmq/errors.hpp"
#include "mx_rmq/runtime.hpp"
#include "runtime/event_loop.hpp"
#include "runtime/loop_watch.hpp"

namespace mx_rmq::queue {
namespace {

std::string milliseconds(std::chrono::nanoseconds duration) {
  return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count()) +
         " ms";
}

}  // namespace

Task<HealthReport> check_health(std::shared_ptr<detail::QueueCore> core) {
  HealthReport report;
  const bool stalled = co_await core->loop().watch()->ask();
  if (stalled) {
    report.checks["loop"] = "stalled: a coroutine has kept the loop thread busy for " +
                            milliseconds(core->runtime().stalled_for()) +
                            "; handlers that block should return void";
    report.checks["redis"] = "not asked: the loop is stalled";
    co_return report;
  }
  report.checks["loop"] = "ok";
  std::string redis = core->unfit();
  if (redis.empty()) {
    redis = "ok";
    try {
      const Access::Use use(core->access());
      co_await core->ping(core->loop().now() + runtime::Duration(core->config().command_timeout),
                          detail::QueueCore::Unfit::tell);
    } catch (const Error& e) {
      redis = e.what();
    }
  }
  std::string consuming;
  if (core->engine()) {
    consuming = core->engine()->trouble();
    if (consuming.empty()) consuming = "ok";
  } else if (core->was_started()) {
    consuming = "stopped";
  }
  report.checks["redis"] = redis;
  // Without them what is connected goes on, so health does not depend on it.
  if (const std::string sentinels = core->discovery(); !sentinels.empty()) {
    report.checks["sentinels"] = sentinels;
  }
  if (!consuming.empty()) report.checks["consuming"] = consuming;
  report.healthy = redis == "ok" && (consuming.empty() || consuming == "ok");
  co_return report;
}

}  // namespace mx_rmq::queue
