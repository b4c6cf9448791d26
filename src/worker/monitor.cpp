#include "worker/monitor.hpp"

#include <algorithm>
#include <chrono>

#include "runtime/log.hpp"

namespace mx_rmq::worker {

namespace log = runtime::log;
using runtime::Duration;

Monitor::Monitor(runtime::EventLoop& loop, const MQConfig& config, const Sources& sources,
                 Claimer& claimer, Runner& runner, const redis::Client& client)
    : loop_(loop),
      config_(config),
      sources_(sources),
      claimer_(claimer),
      runner_(runner),
      client_(client),
      stopped_(loop) {}

void Monitor::start(runtime::Scope& scope) {
  scope.spawn(watch_loop());
  scope.spawn(monitor_loop());
}

// False: stopped.
Task<bool> Monitor::pause(Duration duration) {
  const bool stopped = co_await stopped_.wait_until(loop_.now() + duration);
  co_return !stopped;
}

Task<> Monitor::watch_loop() {
  const Duration interval(config_.processing_monitor_interval);
  // Sweeps tell of consumers whose lease ran out; where they are rarer, a claim, even of nothing,
  // does.
  const bool claims = config_.processing_monitor_interval < config_.expired_check_interval;
  bool go = co_await pause(interval);
  while (go) {
    runner_.check();
    if (claims) claimer_.claim_where_silent(interval);
    go = co_await pause(interval);
  }
}

std::string Monitor::source_trouble() const {
  const Duration silence =
      2 * Duration(std::max(config_.expired_check_interval, config_.command_timeout));
  const auto now = loop_.now();
  for (const auto& source : sources_) {
    std::string topic = "topic " + source->topic.name;
    if (source->partition > 0) topic += ", partition " + std::to_string(source->partition);
    const std::string claims = source->consumer.claim_trouble();
    if (!claims.empty()) return topic + ": " + claims;
    const Duration quiet = now - source->consumer.last_answer();
    if (quiet <= silence) continue;
    return topic + " has not heard from Redis for " +
           std::to_string(std::chrono::duration_cast<std::chrono::seconds>(quiet).count()) + " s";
  }
  return {};
}

std::string Monitor::trouble() const {
  if (!claimer_.consuming()) return "consuming has stopped";
  std::string why = source_trouble();
  if (why.empty()) why = runner_.trouble();
  if (!why.empty()) return why;
  const std::string mute = client_.health().mute;
  if (!mute.empty()) why = "looks for messages once a second: " + mute;
  return why;
}

Task<> Monitor::monitor_loop() {
  const Duration interval(config_.monitor_interval);
  std::string before;
  bool go = co_await pause(interval);
  while (go) {
    std::string wrong = source_trouble();
    if (!wrong.empty() && before.empty()) log::error("consuming does not work", "why", wrong);
    if (wrong.empty() && !before.empty()) log::info("consuming works again");
    before = std::move(wrong);
    log::debug("at work", "running", runner_.active(), "queued", runner_.queued(), "per_minute",
               runner_.completed_per_minute());
    go = co_await pause(interval);
  }
}

}  // namespace mx_rmq::worker
