#include "worker/suspects.hpp"

#include <algorithm>
#include <utility>

namespace mx_rmq::worker {

namespace log = runtime::log;
using runtime::Duration;
using runtime::TimePoint;
using namespace std::chrono_literals;

namespace {

// Calls of a topic that may fail in succession before the process goes on, and the pause between them.
constexpr int kTries = 5;
constexpr Duration kPause = 20ms;

}  // namespace

Suspects::Suspects(Shared& shared, Runner& runner, runtime::Scope& scope)
    : shared_(shared), runner_(runner), scope_(scope), nothing_held_(shared.loop) {}

bool Suspects::any() const {
  return std::ranges::any_of(shared_.topics, [](const auto& topic) { return topic->suspects; });
}

void Suspects::told() {
  if (wanted_ || timer_ || !shared_.consuming || !any()) return;
  if (shared_.quarantine.idle()) {
    ask();
  } else {
    ask_later();
  }
}

void Suspects::ask_later() {
  const Duration pause = shared_.jitter(Duration(0), Duration(shared_.config.lease));
  timer_ = shared_.loop.call_at(shared_.loop.now() + pause, [this] {
    timer_ = {};
    if (!wanted_ && shared_.consuming && any()) ask();
  });
}

void Suspects::ask() {
  wanted_ = true;
  shared_.quarantine.want(shared_.member);
}

void Suspects::granted() {
  if (wanted_) scope_.spawn(run_all());
}

void Suspects::dropped() {
  if (shared_.quarantine.held() == 0) nothing_held_.set();
}

void Suspects::stop() {
  if (timer_) shared_.loop.cancel(timer_);
  timer_ = {};
  stopped_ = true;
  nothing_held_.set();
}

Task<> Suspects::run_all() {
  // Not for ever: others of this process want to go on.
  const TimePoint until = shared_.loop.now() + Duration(shared_.config.lease);
  for (std::size_t i = 0; i < shared_.topics.size(); ++i) {
    Topic* const topic = shared_.topics[i].get();
    bool more = topic->suspects;
    failures_ = 0;
    while (more && shared_.consuming && shared_.loop.now() < until) more = co_await run_next(topic);
  }
  wanted_ = false;
  shared_.quarantine.done(shared_.member);
  if (shared_.consuming && any()) ask_later();
}

Task<bool> Suspects::run_next(Topic* topic) {
  Consumer::Claimed claimed = co_await topic->consumer->claim_suspect();
  if (claimed.state != Consumer::Claimed::State::ok) {
    // Redis is away, or the consumer has another name now, or the topic is damaged: the whole process must not stand
    // still for it.
    if (++failures_ == kTries) co_return false;
    nothing_held_.reset();
    co_await nothing_held_.wait_until(shared_.loop.now() + kPause);
    co_return true;
  }
  failures_ = 0;
  topic->suspects = claimed.result.more;
  shared_.quarantine.hold(shared_.member, claimed.deliveries.size());
  for (auto& delivery : claimed.deliveries) {
    log::info("runs a message alone that was recovered from dead consumers", "topic", topic->name,
              "id", delivery->view ? delivery->view->id : std::string_view("?"));
    if (runner_.settle_unfit(delivery, claimed.result.now)) continue;
    shared_.queue.push(topic->id, 0, std::move(delivery));
    shared_.note_queue();
    runner_.wake();
  }
  while (shared_.quarantine.held() > 0 && !stopped_) {
    nothing_held_.reset();
    co_await nothing_held_.wait();
  }
  co_return topic->suspects;
}

}  // namespace mx_rmq::worker
