#include "worker/suspects.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "runtime/log.hpp"
#include "worker/jitter.hpp"
#include "worker/runner.hpp"

namespace mx_rmq::worker {

namespace log = runtime::log;
using runtime::Duration;
using runtime::TimePoint;
using namespace std::chrono_literals;

namespace {

// Calls at a source that may fail in succession before the process goes on, and the pause between
// them.
constexpr int most_tries = 5;
constexpr Duration pause_after_failure = 20ms;

}  // namespace

Suspects::Suspects(runtime::EventLoop& loop, redis::Rng& rng, const MQConfig& config,
                   Quarantine::Member& member, Runner& runner, runtime::Scope& scope)
    : loop_(loop),
      rng_(rng),
      config_(config),
      member_(member),
      runner_(runner),
      scope_(scope),
      nothing_held_(loop) {}

void Suspects::add(Source& source) {
  assert(source.id == records_.size() && "sources are added in order");
  records_.push_back(Record{source});
}

bool Suspects::any() const {
  return std::ranges::any_of(records_, [](const Record& record) { return record.some; });
}

void Suspects::told(const Source& source, bool some) {
  records_[source.id].some = some;
  if (turn_ || running_ || timer_ || stopped_ || !any()) return;
  if (member_.quarantine().idle()) {
    turn_ = member_.want();
  } else {
    ask_later();
  }
}

void Suspects::ask_later() {
  const Duration pause = between(rng_, Duration(0), Duration(config_.lease));
  timer_ = loop_.call_at(loop_.now() + pause, [this] {
    timer_ = {};
    if (!turn_ && !running_ && !stopped_ && any()) turn_ = member_.want();
  });
}

void Suspects::granted() {
  if (turn_) scope_.spawn(run_all(Raised(running_), std::move(turn_)));
}

void Suspects::look() {
  if (running_ && member_.quarantine().held() == 0) nothing_held_.set();
}

void Suspects::stop() {
  if (timer_) loop_.cancel(timer_);
  timer_ = {};
  stopped_ = true;
  nothing_held_.set();
}

Task<> Suspects::run_all(Raised /*running*/, Quarantine::Member::Turn turn) {
  // Not for ever: others of this process want to go on.
  const TimePoint until = loop_.now() + Duration(config_.lease);
  for (std::size_t i = 0; i < records_.size(); ++i) {
    Record* const record = &records_[i];
    bool more = record->some;
    failures_ = 0;
    while (more && !stopped_ && loop_.now() < until) more = co_await run_next(record);
  }
  turn.reset();
  if (!stopped_ && any()) ask_later();
}

Task<bool> Suspects::run_next(Record* record) {
  Consumer::Claimed claimed = co_await record->source.consumer.claim_suspect();
  if (claimed.state != Consumer::Claimed::State::ok) {
    // Redis is away, or the consumer has another name now, or the topic is damaged: the whole
    // process must not stand still for it.
    if (++failures_ == most_tries) co_return false;
    nothing_held_.reset();
    co_await nothing_held_.wait_until(loop_.now() + pause_after_failure);
    co_return true;
  }
  failures_ = 0;
  record->some = claimed.result.more;
  for (const auto& delivery : claimed.deliveries)
    log::info("runs a message alone that was recovered from dead consumers", "topic",
              record->source.topic.name, "id",
              delivery->view ? delivery->view->id : std::string_view("?"));
  runner_.take_in(claimed.deliveries, claimed.result.now);
  while (member_.quarantine().held() > 0 && !stopped_) {
    nothing_held_.reset();
    co_await nothing_held_.wait();
  }
  co_return record->some;
}

}  // namespace mx_rmq::worker
