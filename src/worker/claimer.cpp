#include "worker/claimer.hpp"

#include <algorithm>
#include <cassert>
#include <exception>
#include <iterator>
#include <utility>

#include "api/batch.hpp"
#include "runtime/planted.hpp"
#include "worker/partitions.hpp"
#include "worker/runner.hpp"
#include "worker/suspects.hpp"
#include "worker/sweeper.hpp"
#include "worker/wake_ups.hpp"

namespace mx_rmq::worker {

using runtime::Duration;
using runtime::TimePoint;
using namespace std::chrono_literals;

namespace {

// While more than half of the room is taken, claims of a source are this far apart, and so are
// small ones.
constexpr Duration linger_time = 2ms;
// Between claims of a source whose consumer nobody would wake.
constexpr Duration unheard_interval = 1s;
// How often it is looked at whether too many messages wait here; twice in succession, and they go
// back. So a pause of this process is not taken for slow handlers.
constexpr Duration too_many_interval = 250ms;
// A topic whose messages went back has no place for one without a worker for so long.
constexpr Duration no_place_time = 10s;

}  // namespace

// A claim, from before it is sent until what it brought is in the local queue. Its destructor gives
// back the room that it reserved, also when something was thrown.
class Claimer::UnderWay {
 public:
  UnderWay(Claimer& claimer, Record& of, std::size_t room, Quarantine::Member::Claim counted)
      : record(of), space(room), claimer_(&claimer), counted_(std::move(counted)) {
    assert(!record.claiming && "one claim of a source is under way at a time");
    record.claiming = true;
    relists_ = std::exchange(record.relists, false);
    if (relists_) ++claimer_->relisting_;
    claimer_->reserve(record, space);
    ++claimer_->under_way_;
    claimer_->none_under_way_.reset();
  }
  UnderWay(UnderWay&& other) noexcept
      : record(other.record),
        space(other.space),
        claimer_(std::exchange(other.claimer_, nullptr)),
        counted_(std::move(other.counted_)),
        relists_(std::exchange(other.relists_, false)) {}
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
    claimer_->unreserve(record);
    if (std::exchange(relists_, false)) --claimer_->relisting_;
  }

  Record& record;
  const std::size_t space;

 private:
  Claimer* claimer_;
  Quarantine::Member::Claim counted_;
  bool relists_ = false;
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

void Claimer::add([[maybe_unused]] const Topic& topic) {
  assert(topic.id == topics_.size() && "topics are added in order");
  topics_.emplace_back(topic, config_);
}

void Claimer::add(Source& source) {
  assert(source.id == records_.size() && "sources are added in order");
  Record& record = records_.emplace_back(source);
  // A new connection may be to another server: what the last claim told may be wrong there.
  record.ready_hook =
      source.broker.route().on_epoch([this, &record](std::uint64_t) { want(record); });
  want(record);
}

template <class Change>
void Claimer::change_listing(Record& record, Change change) {
  const std::size_t before = record.listing.listed() ? 1 : 0;
  change(record.listing);
  listed_ = listed_ + (record.listing.listed() ? 1 : 0) - before;
}

void Claimer::want(Record& record) {
  record.wanted = true;
  record.guess = false;
  record.relists = false;
  if (record.claiming) record.again = true;
  if (record.unheard) loop_.cancel(record.unheard);
  record.unheard = {};
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

// The busiest first, one after the other: where a server has come back, everybody wants this.
void Claimer::want_to_relist(Record& record) {
  const bool for_more = record.in_ring || record.claiming;
  want(record);
  if (for_more) return;
  record.relists = true;
  auto place = std::prev(ring_.end());
  assert(*place == &record && "it was put at the end");
  for (; place != ring_.begin(); --place) {
    Record* const before = *std::prev(place);
    if (!before->relists || before->taken >= record.taken) break;
    std::iter_swap(place, std::prev(place));
  }
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

void Claimer::reserve(Record& record, std::size_t space) {
  record.reserved = space;
  topics_[record.source.topic.id].reserved += space;
  reserved_ += space;
}

void Claimer::unreserve(Record& record) {
  const std::size_t space = std::exchange(record.reserved, 0);
  topics_[record.source.topic.id].reserved -= space;
  reserved_ -= space;
}

bool Claimer::automatic() const noexcept { return config_.task_queue_size == MQConfig::automatic; }

std::size_t Claimer::capacity() const {
  if (config_.task_queue_size > 0) return static_cast<std::size_t>(config_.task_queue_size);
  return others_.runner.free_seats() + (automatic() ? Prefetch::most_messages : 0);
}

std::size_t Claimer::free_room() const {
  const std::size_t used = others_.runner.queued() + reserved_;
  return used < capacity() ? capacity() - used : 0;
}

bool Claimer::nothing_here(const Record& record) const {
  return others_.runner.queued(record.source) + record.reserved == 0;
}

// Of a topic, waiting or on the way.
std::size_t Claimer::here(const Topic& topic) const {
  return others_.runner.queued(topic) + topics_[topic.id].reserved;
}

// What a source must leave of the free room to others.
std::size_t Claimer::kept_from(const Record& record, std::size_t free) const {
  if (records_.size() <= 1 || config_.task_queue_size == 0) return 0;
  const std::size_t part = capacity() / 4;
  // A part is for sources of which nothing is here, so that a slow one cannot fill it all;
  if (!nothing_here(record)) return std::max<std::size_t>(1, part);
  // of that none takes everything, because its claim may find nothing and still take long;
  if (record.owed) return free / 4;
  // and of what is left for them half is for those that are woken.
  return std::max(free / 4, listed_ > 0 ? part / 2 : 0);
}

// Where the size of the local queue is not given: so many of a topic are to be here, for the
// workers that may run them and, where that is left to us, for those that will be free soon.
std::size_t Claimer::to_be_here(const Topic& topic) const {
  const Runner& runner = others_.runner;
  const std::size_t most = topic.max_concurrency;
  std::size_t seats = runner.seats_for(topic);
  if (most != 0) seats = std::min(seats, most - std::min(most, runner.running(topic)));
  const std::size_t others = runner.queued() + reserved_ - here(topic);
  std::size_t wanted = seats - std::min(seats, others);
  if (!automatic()) return wanted;
  const Prefetch& prefetch = topics_[topic.id].prefetch;
  wanted += prefetch.ahead(runner.pace(topic), runner.queued_bytes(), loop_.now());
  return wanted == 0 && has_a_place(topic) ? 1 : wanted;
}

// Where others have prefetched, workers are free for moments only, and go on with what is here: who
// is to have its turn among them needs a message here.
bool Claimer::has_a_place(const Topic& topic) const {
  const Runner& runner = others_.runner;
  if (runner.queued() - runner.queued(topic) <= runner.free_seats()) return false;
  return runner.running(topic) == 0 || loop_.now() >= topics_[topic.id].place_from;
}

// Room in the local queue that this source may fill; without a queue, workers that may run it.
std::size_t Claimer::room(const Record& record) const {
  const Topic& topic = record.source.topic;
  if (others_.runner.starved(topic)) return 0;
  std::size_t free = free_room();
  const std::size_t kept = kept_from(record, free);
  free = free > kept ? free - kept : 0;
  const std::size_t own = here(topic);
  if (config_.task_queue_size <= 0) {
    const std::size_t wanted = to_be_here(topic);
    free = std::min(free, wanted > own ? wanted - own : 0);
  }
  const std::size_t most = topic.max_concurrency;
  // No more than one round of its own waits; others could use the room.
  if (most != 0) free = std::min(free, own < most ? most - own : 0);
  // Settlements that Redis does not take must not let claims go on for ever.
  const std::size_t bound = 4 * (capacity() + static_cast<std::size_t>(config_.max_workers)) + 1000;
  if (record.source.consumer.unsettled() >= bound) return 0;
  return std::min(free, static_cast<std::size_t>(api::claim_batch_of(config_)));
}

// With many sources, each would otherwise claim the little that the last run, or the claims under
// way, have left.
bool Claimer::too_small() {
  const std::size_t worth =
      std::min(static_cast<std::size_t>(api::claim_batch_of(config_)), capacity() / 8);
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
  if (consuming_) start_claims();
  pass_on();
}

Claimer::Rank Claimer::rank_of(const Record& record) const {
  if (!nothing_here(record)) return Rank::any;
  return record.owed || record.passed_on ? Rank::woken : Rank::nothing_here;
}

void Claimer::start_claims() {
  if (ring_.size() > 1) {
    for (const Rank rank : {Rank::woken, Rank::nothing_here})
      if (!start_claims(rank)) return;
  }
  start_claims(Rank::any);
}

// Those of this rank or one before it. False: there is no room for further ones.
bool Claimer::start_claims(Rank rank) {
  for (std::size_t left = ring_.size(); left > 0; --left) {
    // Whoever makes room has this called again.
    const bool full = free_room() == 0 || too_small();
    if (full && alarms_ == 0) return false;
    Record& record = *ring_.front();
    ring_.pop_front();
    ring_.push_back(&record);
    const bool open = record.wanted && !record.claiming;  // else claim() asks again
    if (open) {
      if (full && !record.alarm_due) continue;
      if (rank_of(record) > rank && !record.alarm_due) continue;
      if (!start(record)) continue;
    }
    ring_.pop_back();
    record.in_ring = false;
  }
  return true;
}

bool Claimer::start(Record& record) {
  if (!record.source.consumer.may_claim()) return false;
  if (record.relists && relisting_ > 0) return false;
  if (record.retry) {
    // It lingers no longer once the queue has run low; a pause after a failure lasts.
    if (record.failed || others_.runner.queued(record.source) > room(record)) return false;
    loop_.cancel(record.retry);
    record.retry = {};
  }
  const std::size_t most = room(record);
  if (most == 0 && !record.alarm_due) return false;
  if (record.guess && !nothing_here(record)) return false;
  if (!record.alarm_due && linger(record, most)) return false;
  Quarantine::Member::Claim counted = member_.begin_claim();
  if (!counted) return false;
  const std::size_t space = std::min(most, record.expected);
  scope_.spawn(claim(UnderWay(*this, record, space, std::move(counted))));
  record.again = false;
  record.guessed = std::exchange(record.guess, false);
  record.owed.reset();  // what it stands for, this claim sees
  record.passed_on = false;
  if (std::exchange(record.alarm_due, false)) --alarms_;
  return true;
}

Task<> Claimer::claim(UnderWay under_way) {
  Record& record = under_way.record;
  Consumer& consumer = record.source.consumer;
  Consumer::Claimed what;
  Listing::Asked asked;
  change_listing(record, [&asked](Listing& listing) { asked = listing.ask(); });
  const TimePoint sent = loop_.now();
  std::exception_ptr error;
  try {
    what = co_await consumer.claim(static_cast<int>(under_way.space), asked);
    under_way.answered();
    claimed(record, asked, sent, what);
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
    record.listing.unanswered();
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
void Claimer::claimed(Record& record, const Listing::Asked& asked, TimePoint sent,
                      Consumer::Claimed& what) {
  if (what.state == Consumer::Claimed::State::unavailable) return;
  if (what.state == Consumer::Claimed::State::lost) {
    want(record);
    return;
  }
  const broker::Claim::Reply& result = what.result;
  record.pause.reset();
  record.failed = false;
  record.answered_at = answered_at_ = loop_.now();
  // Room that is kept for messages that do not come is kept from other sources.
  const std::size_t got = what.deliveries.size();
  record.taken += got;
  std::size_t bytes = 0;
  for (const auto& delivery : what.deliveries) bytes += delivery->bytes.size();
  topics_[record.source.topic.id].prefetch.answered(record.answered_at - sent, got, bytes);
  record.expected = result.more
                        ? static_cast<std::size_t>(api::claim_batch_of(config_))
                        : std::max({Record::expected_at_first, record.expected / 2, 2 * got});
  next_claim(record, asked, result);
  guess(record, got);
  set_alarm(record, result.alarm);
  others_.suspects.told(record.source, result.suspects);
  others_.partitions.claimed(record.source, result.settings);
  if (!result.lapsed.empty()) others_.sweeper.lapsed(record.source, result.lapsed);
  others_.runner.take_in(what.deliveries, result.now);
  give_back_later();
}

void Claimer::guess(Record& record, std::size_t got) {
  if (std::exchange(record.guessed, false)) record.next_guess.answered(got);
  if (record.wanted || !record.listing.listed() || !record.next_guess.worth(got)) return;
  want(record);
  record.guess = true;
}

// Whether there is to be one: if we are not listed, nobody wakes us.
void Claimer::next_claim(Record& record, const Listing::Asked& asked,
                         const broker::Claim::Reply& result) {
  change_listing(record, [&result](Listing& listing) { listing.answered(result.listed); });
  const bool left = result.more || (asked.list && !result.listed);
  record.wanted = left || record.again;
  if (record.wanted) {
    want(record);
  } else if (!record.listing.listed()) {
    ask_later(record);
  }
}

// --- what waits long ---

void Claimer::give_back_later() {
  if (!automatic() || too_many_ || !consuming_ || others_.runner.queued() == 0) return;
  too_many_ = loop_.call_at(loop_.now() + too_many_interval, [this] {
    too_many_ = {};
    give_back_what_waits_long();
    give_back_later();
  });
}

// Handlers that were quick when they had many messages claimed, and are not any more: others may be
// idle.
void Claimer::give_back_what_waits_long() {
  const TimePoint now = loop_.now();
  Runner& runner = others_.runner;
  for (auto& record : topics_) {
    const Pace& pace = runner.pace(record.topic);
    const bool before = std::exchange(
        record.too_many, record.prefetch.too_many(runner.queued(record.topic), pace, now));
    if (!before || !record.too_many) continue;
    record.place_from = now + no_place_time;
    runner.give_back_behind(record.topic, record.prefetch.ahead(pace, runner.queued_bytes(), now));
  }
}

void Claimer::ask_later(Record& record) {
  if (record.unheard || !consuming_) return;
  record.unheard = loop_.call_at(loop_.now() + unheard_interval, [this, &record] {
    record.unheard = {};
    want(record);
  });
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

// --- waking ---

void Claimer::hears(const Source& source, std::uint64_t epoch) {
  Record& record = of(source);
  change_listing(record, [epoch](Listing& listing) { listing.up(epoch); });
  if (consuming_) want_to_relist(record);
}

void Claimer::hears_nothing(const Source& source) {
  Record& record = of(source);
  change_listing(record, [](Listing& listing) { listing.down(); });
  if (!record.wanted && !record.claiming) ask_later(record);
}

void Claimer::woken(const Source& source, int hops) {
  Record& record = of(source);
  if (MX_RMQ_PLANTED("swallows_wake_ups") && record.claiming) return;
  change_listing(record, [](Listing& listing) { listing.woken(); });
  if (!consuming_) {
    others_.wake_ups.pass(source, hops);
    return;
  }
  want(record);
  if (!record.owed) owing_.push_back(&record);
  record.owed = std::max(record.owed.value_or(0), hops);
}

void Claimer::swept(const Source& source, bool waits, bool listed) {
  Record& record = of(source);
  const bool lost = record.listing.listed() && !listed;
  if (lost) change_listing(record, [](Listing& listing) { listing.woken(); });
  if (consuming_ && (waits || lost)) want(record);
}

// Only a claim that is under way, or is made within a few ms, is waited for: others may be idle.
bool Claimer::comes_soon(const Record& record) const {
  if (record.claiming) return true;
  if (!record.source.consumer.may_claim() || member_.quarantine().closed()) return false;
  if (record.retry) return !record.failed;
  return room(record) > 0 && (reserved_ > 0 || later_);
}

void Claimer::pass_on() {
  std::erase_if(owing_, [this](Record* record) {
    if (!record->owed) return true;
    if (consuming_ && comes_soon(*record)) return false;
    if (!MX_RMQ_PLANTED("is_listed_without_room")) {
      others_.wake_ups.pass(record->source, *record->owed);
    }
    record->owed.reset();
    // If all others pass it on, too, this topic goes first here when a worker is free.
    record->passed_on = true;
    return true;
  });
}

// --- the end ---

void Claimer::close() {
  consuming_ = false;
  if (later_) loop_.cancel(later_);
  if (too_many_) loop_.cancel(too_many_);
  later_ = too_many_ = {};
  for (auto& record : records_) {
    if (record.alarm) loop_.cancel(record.alarm);
    if (record.retry) loop_.cancel(record.retry);
    if (record.unheard) loop_.cancel(record.unheard);
    record.alarm = record.retry = record.unheard = {};
  }
  pass_on();
}

Task<> Claimer::wait_idle(TimePoint deadline) { co_await none_under_way_.wait_until(deadline); }

}  // namespace mx_rmq::worker
