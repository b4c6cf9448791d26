#include "worker/upkeep.hpp"

#include <algorithm>
#include <utility>

namespace mx_rmq::worker {

namespace log = runtime::log;
using runtime::Duration;

namespace {

constexpr std::int64_t kManyDeadLetters = 10'000;
// After a sweep without an answer the next one comes so soon, or up to twice as late: if the connection had been
// forgotten by something in between, before the new one is, too.
constexpr Duration kSweepAgain = std::chrono::milliseconds(500);

}  // namespace

Upkeep::Upkeep(Shared& shared, Claimer& claimer, Runner& runner, runtime::Scope& scope,
               std::function<void()> suspects_told)
    : shared_(shared),
      claimer_(claimer),
      runner_(runner),
      scope_(scope),
      suspects_told_(std::move(suspects_told)),
      stopped_(shared.loop) {}

void Upkeep::start() {
  scope_.spawn(watch_loop());
  scope_.spawn(monitor_loop());
}

void Upkeep::add(Topic& topic) { scope_.spawn(sweep_loop(&topic)); }

void Upkeep::stop() { stopped_.set(); }

// False: stopped.
Task<bool> Upkeep::pause(Duration duration) {
  const bool stopped = co_await stopped_.wait_until(shared_.loop.now() + duration);
  co_return !stopped;
}

Task<> Upkeep::sweep_loop(Topic* topic) {
  const Duration interval(shared_.config.expired_check_interval);
  bool go = co_await pause(shared_.jitter(interval / 2, interval));
  while (go) {
    broker::SweepResult result;
    const Consumer::Answer answer = co_await topic->consumer->sweep(&result);
    if (answer == Consumer::Answer::result) {
      topic->suspects = result.suspects;
      suspects_told_();
      if (!result.lapsed.empty()) lapsed(*topic, std::move(result.lapsed));
    }
    Duration wait = shared_.jitter(interval, interval * 11 / 10);
    if (answer == Consumer::Answer::none)
      wait = std::min(wait, shared_.jitter(kSweepAgain, 2 * kSweepAgain));
    go = co_await pause(wait);
  }
}

void Upkeep::lapsed(Topic& topic, std::string consumer) {
  if (topic.reaping || stopped_.is_set()) return;
  topic.reaping = true;
  scope_.spawn(reap(&topic, std::move(consumer)));
}

Task<> Upkeep::reap(Topic* topic, std::string consumer) {
  co_await topic->consumer->reap(std::move(consumer));
  topic->reaping = false;
}

void Upkeep::dead_letters(Topic& topic, std::int64_t count) {
  topic.dead_letters = count;
  const bool many = count > kManyDeadLetters;
  if (many && !topic.warned_dead_letters)
    log::warn("many dead letters: requeue or purge them, or set max_dead_letters", "topic",
              topic.name, "count", count);
  topic.warned_dead_letters = many;
}

Task<> Upkeep::watch_loop() {
  const Duration interval(shared_.config.processing_monitor_interval);
  while (co_await pause(interval)) {
    runner_.check();
    // Sweeps tell of consumers whose lease ran out; where they are rarer, a claim, even of nothing,
    // does.
    if (shared_.config.processing_monitor_interval >= shared_.config.expired_check_interval)
      continue;
    for (const auto& topic : shared_.topics) {
      // One that has just been told needs no claim. Where a claim takes longer than the interval, an
      // empty topic would else hold the room without a break, and another one starve.
      if (topic->claiming || shared_.loop.now() - topic->claimed_at < interval) continue;
      claimer_.want_even_without_room(*topic);
    }
    shared_.work();
  }
}

std::string Upkeep::trouble() const {
  const Duration silence =
      2 * Duration(std::max(shared_.config.expired_check_interval, shared_.config.command_timeout));
  const auto now = shared_.loop.now();
  for (const auto& topic : shared_.topics) {
    const std::string claims = topic->consumer->claim_trouble();
    if (!claims.empty()) return "topic " + topic->name + ": " + claims;
    const Duration quiet = now - topic->consumer->last_answer();
    if (quiet <= silence) continue;
    return "topic " + topic->name + " has not heard from Redis for " +
           std::to_string(std::chrono::duration_cast<std::chrono::seconds>(quiet).count()) + " s";
  }
  return {};
}

Task<> Upkeep::monitor_loop() {
  while (co_await pause(Duration(shared_.config.monitor_interval))) {
    std::string now_wrong = trouble();
    if (!now_wrong.empty() && trouble_.empty())
      log::error("consuming does not work", "why", now_wrong);
    if (now_wrong.empty() && !trouble_.empty()) log::info("consuming works again");
    trouble_ = std::move(now_wrong);
    log::debug("at work", "running", shared_.active.load(), "queued", shared_.queued.load(),
               "per_minute", shared_.completed.per_minute(shared_.loop.now()));
  }
}

}  // namespace mx_rmq::worker
