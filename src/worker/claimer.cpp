#include "worker/claimer.hpp"

#include <algorithm>
#include <cassert>
#include <exception>
#include <utility>

#include "runtime/planted.hpp"
#include "worker/runner.hpp"
#include "worker/suspects.hpp"
#include "worker/sweeper.hpp"

namespace mx_rmq::worker {

using runtime::Duration;
using runtime::TimePoint;
using namespace std::chrono_literals;

namespace {

// While more than half of the room is taken, claims of a source are this far apart, and so are
// small ones.
constexpr Duration linger_time = 2ms;

}  // namespace

// A claim, from before it is sent until what it brought is in the local queue. Its destructor gives
// back the room that it reserved, also when something was thrown.
class Claimer::UnderWay {
 public:
  UnderWay(Claimer& claimer, Record& of, std::size_t room, Quarantine::Member::Claim counted)
      : record(of),
        space(room),
        number(++of.sent),
        claimer_(&claimer),
        counted_(std::move(counted)) {
    assert(!record.claiming && "one claim of a source is under way at a time");
    record.claiming = true;
    record.reserved = space;
    claimer_->reserved_ += space;
    ++claimer_->under_way_;
    claimer_->none_under_way_.reset();
  }
  UnderWay(UnderWay&& other) noexcept
      : record(other.record),
        space(other.space),
        number(other.number),
        claimer_(std::exchange(other.claimer_, nullptr)),
        counted_(std::move(other.counted_)) {}
  ~UnderWay() {
    if (claimer_ == nullptr) return;
    answered();
    if (--claimer_->under_way_ == 0) claimer_->none_under_way_.set();
  }

  /// The answer has come. What it brought is held, and counted as such, from now on.
  void answered() {
    if (!counted_) return;
    counted_.reset();
    record.claiming = false;
    claimer_->reserved_ -= std::exchange(record.reserved, 0);
  }

  Record& record;
  const std::size_t space;
  const std::uint64_t number;

 private:
  Claimer* claimer_;
  Quarantine::Member::Claim counted_;
};

Claimer::Claimer(runtime::EventLoop& loop, const MQConfig& config, Quarantine::Member& member,
                 LookAgain& look_again, runtime::Scope& scope, Others others)
    : loop_(loop),
      config_(config),
      member_(member),
      look_again_(look_again),
      scope_(scope),
      others_(others),
      none_under_way_(loop) {
  none_under_way_.set();
}

Claimer::~Claimer() {
  for (auto& record : records_) record.source.broker.route().remove_on_epoch(record.ready_hook);
}

void Claimer::add(Source& source) {
  assert(source.id == records_.size() && "sources are added in order");
  Record& record = records_.emplace_back(source);
  // A new connection may be to another server: what the last claim told may be wrong there.
  record.ready_hook =
      source.broker.route().on_epoch([this, &record](std::uint64_t) { want(record); });
  want(record);
}

void Claimer::want(Record& record) {
  record.wanted = true;
  if (record.claiming) record.again = true;
  if (!record.in_ring) {
    ring_.push_back(&record);
    record.in_ring = true;
  }
  look_again_.soon();
}

void Claimer::want_even_without_room(Record& record) {
  if (!std::exchange(record.alarm_due, true)) ++alarms_;
  want(record);
}

void Claimer::claim_where_silent(Duration interval) {
  for (auto& record : records_) {
    // One that has just been told needs no claim. Where a claim takes longer than the interval, an
    // empty source would else hold the room without a break, and another one starve.
    if (record.claiming || loop_.now() - record.answered_at < interval) continue;
    want_even_without_room(record);
  }
}

// --- room ---

std::size_t Claimer::capacity() const noexcept {
  return static_cast<std::size_t>(config_.task_queue_size);
}

std::size_t Claimer::free_room() const {
  const std::size_t used = others_.runner.queued() + reserved_;
  return used < capacity() ? capacity() - used : 0;
}

// Room in the local queue that this source may fill.
std::size_t Claimer::room(const Record& record) const {
  if (others_.runner.starved(record.source)) return 0;
  std::size_t free = free_room();
  const std::size_t own = others_.runner.queued(record.source) + record.reserved;
  if (records_.size() > 1) {
    // A part is kept for sources of which nothing is queued, so that a slow one cannot fill it all;
    // of that none takes everything, because its claim may find nothing and still take long.
    const std::size_t kept = own > 0 ? std::max<std::size_t>(1, capacity() / 4) : free / 4;
    free = free > kept ? free - kept : 0;
  }
  const std::size_t most = record.source.topic.max_concurrency;
  if (most != 0) {
    // No more than one round of its own waits; others could use the room.
    free = std::min(free, own < most ? most - own : 0);
  }
  // Settlements that Redis does not take must not let claims go on for ever.
  const std::size_t bound = 4 * (capacity() + static_cast<std::size_t>(config_.max_workers)) + 1000;
  if (record.source.consumer.unsettled() >= bound) return 0;
  return std::min(free, static_cast<std::size_t>(config_.batch_size));
}

// With many sources, each would otherwise claim the little that the last run, or the claims under
// way, have left.
bool Claimer::too_small() {
  const std::size_t worth = std::min(static_cast<std::size_t>(config_.batch_size), capacity() / 8);
  if (free_room() >= worth) return false;
  if (reserved_ > 0) return true;  // seldom needed whole, and the answers come soon
  const TimePoint due = answered_at_ + linger_time;
  if (loop_.now() >= due) return false;
  if (!later_) {
    later_ = loop_.call_at(due, [this] {
      later_ = {};
      look_again_.soon();
    });
  }
  return true;
}

// Workers that empty the queue quickly would otherwise have it filled up by many small claims. Slow
// ones do not notice, and what has become urgent meanwhile is not kept waiting for longer than
// this.
bool Claimer::linger(Record& record, std::size_t space) {
  if (others_.runner.queued(record.source) <= space) return false;
  const TimePoint due = record.answered_at + linger_time;
  if (loop_.now() >= due) return false;
  record.retry = loop_.call_at(due, [this, &record] {
    record.retry = {};
    look_again_.soon();
  });
  return true;
}

// --- claims ---

void Claimer::pump() {
  if (!consuming_) return;
  for (std::size_t left = ring_.size(); left > 0; --left) {
    // Whoever makes room has this called again.
    const bool full = free_room() == 0 || too_small();
    if (full && alarms_ == 0) return;
    Record& record = *ring_.front();
    ring_.pop_front();
    ring_.push_back(&record);
    const bool open = record.wanted && !record.claiming;  // else claim() asks again
    if (open && ((full && !record.alarm_due) || !start(record))) continue;
    ring_.pop_back();
    record.in_ring = false;
  }
}

bool Claimer::start(Record& record) {
  if (!record.source.consumer.may_claim()) return false;
  if (record.retry) {
    // It lingers no longer once the queue has run low; a pause after a failure lasts.
    if (record.failed || others_.runner.queued(record.source) > room(record)) return false;
    loop_.cancel(record.retry);
    record.retry = {};
  }
  const std::size_t most = room(record);
  if (most == 0 && !record.alarm_due) return false;
  if (!record.alarm_due && linger(record, most)) return false;
  Quarantine::Member::Claim counted = member_.begin_claim();
  if (!counted) return false;
  const std::size_t space = std::min(most, record.expected);
  scope_.spawn(claim(UnderWay(*this, record, space, std::move(counted))));
  record.again = false;
  if (std::exchange(record.alarm_due, false)) --alarms_;
  return true;
}

Task<> Claimer::claim(UnderWay under_way) {
  Record& record = under_way.record;
  Consumer& consumer = record.source.consumer;
  Consumer::Claimed what;
  std::exception_ptr error;
  try {
    what = co_await consumer.claim(static_cast<int>(under_way.space));
    under_way.answered();
    claimed(record, under_way.number, what);
  } catch (...) {
    error = std::current_exception();
  }
  under_way.answered();
  const bool failed = error || what.state == Consumer::Claimed::State::unavailable;
  if (error) {
    // Memory has run out, say. What was not taken in goes back.
    for (const auto& delivery : what.deliveries)
      if (delivery) consumer.let_go(*delivery);
    loop_.report(std::move(error));
  }
  if (failed) {
    pause(record);
    if (under_way.space == 0) {
      want_even_without_room(record);
    } else {
      want(record);
    }
  }
  look_again_.soon();
}

// It was answered.
void Claimer::claimed(Record& record, std::uint64_t number, Consumer::Claimed& what) {
  if (what.state == Consumer::Claimed::State::unavailable) return;
  if (what.state == Consumer::Claimed::State::lost) {
    want(record);
    return;
  }
  const broker::Claim::Reply& result = what.result;
  record.pause.reset();
  record.failed = false;
  record.answered_at = answered_at_ = loop_.now();
  record.answered = number;
  record.backlog = result.more;
  // Room that is kept for messages that do not come is kept from other sources.
  const std::size_t got = what.deliveries.size();
  record.expected = result.more
                        ? static_cast<std::size_t>(config_.batch_size)
                        : std::max({Record::expected_at_first, record.expected / 2, 2 * got});
  record.wanted = result.more || record.again;
  if (record.wanted) want(record);
  set_alarm(record, result.alarm);
  others_.suspects.told(record.source, result.suspects);
  if (!result.lapsed.empty()) others_.sweeper.lapsed(record.source, result.lapsed);
  others_.runner.take_in(what.deliveries, result.now);
}

void Claimer::set_alarm(Record& record, std::int64_t due_ms) {
  if (record.alarm) loop_.cancel(record.alarm);
  record.alarm = {};
  if (due_ms < 0 || !consuming_ || MX_RMQ_PLANTED("sets_no_alarm")) return;
  const auto due =
      std::max(record.source.broker.clock().to_mono(due_ms), loop_.now() + Duration(500us));
  record.alarm = loop_.call_at(due, [this, &record] {
    record.alarm = {};
    want_even_without_room(record);
  });
}

void Claimer::pause(Record& record) {
  if (!consuming_) return;
  record.failed = true;
  if (record.retry) loop_.cancel(record.retry);
  record.retry = loop_.call_at(loop_.now() + record.pause.next(), [this, &record] {
    record.retry = {};
    look_again_.soon();
  });
}

// --- for who waits for markers ---

bool Claimer::wants_marker(const Source& source) const {
  const Record& record = of(source);
  return consuming_ && !record.backlog && room(record) > 0 && !member_.quarantine().closed();
}

bool Claimer::marker_came(const Source& source) {
  Record& record = of(source);
  want(record);
  if (room(record) > 0 && !member_.quarantine().closed()) return true;
  record.backlog = true;
  return false;
}

// --- the end ---

void Claimer::close() {
  consuming_ = false;
  if (later_) loop_.cancel(later_);
  later_ = {};
  for (auto& record : records_) {
    if (record.alarm) loop_.cancel(record.alarm);
    if (record.retry) loop_.cancel(record.retry);
    record.alarm = record.retry = {};
  }
}

Task<> Claimer::wait_idle(TimePoint deadline) { co_await none_under_way_.wait_until(deadline); }

}  // namespace mx_rmq::worker
