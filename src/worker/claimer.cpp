#include "worker/claimer.hpp"

#include <algorithm>
#include <utility>

namespace mx_rmq::worker {

using runtime::Duration;
using runtime::TimePoint;
using namespace std::chrono_literals;

namespace {

// While more than half of the room is taken, claims of a topic are this far apart, and so are small ones.
constexpr Duration kLinger = 2ms;

}  // namespace

Claimer::Claimer(Shared& shared, Runner& runner, runtime::Scope& scope, Hooks hooks)
    : shared_(shared),
      runner_(runner),
      scope_(scope),
      hooks_(std::move(hooks)),
      none_under_way_(shared.loop) {
  none_under_way_.set();
}

void Claimer::want(Topic& topic) {
  topic.wanted = true;
  if (topic.claiming) topic.again = true;
  if (!topic.queued_up) {
    topic.queued_up = true;
    ring_.push_back(&topic);
  }
}

void Claimer::want_even_without_room(Topic& topic) {
  if (!topic.alarm_due) ++alarms_;
  topic.alarm_due = true;
  want(topic);
}

std::size_t Claimer::free_room() const {
  const auto capacity = static_cast<std::size_t>(shared_.config.task_queue_size);
  const std::size_t used = shared_.queue.size() + shared_.reserved;
  return used < capacity ? capacity - used : 0;
}

std::size_t Claimer::room(const Topic& topic) const {
  if (topic.starved) return 0;
  const auto capacity = static_cast<std::size_t>(shared_.config.task_queue_size);
  std::size_t free = free_room();
  const std::size_t own = shared_.queue.size(topic.id) + topic.reserved;
  if (shared_.topics.size() > 1) {
    // A part is kept for topics of which nothing is queued, so that a slow one cannot fill it all; of that
    // none takes everything, because its claim may find nothing and still take long.
    const std::size_t kept = own > 0 ? std::max<std::size_t>(1, capacity / 4) : free / 4;
    free = free > kept ? free - kept : 0;
  }
  if (topic.max_concurrency != 0) {
    // No more than one round of its own waits; others could use the room.
    const std::size_t most = topic.max_concurrency;
    free = std::min(free, own < most ? most - own : 0);
  }
  // Settlements that Redis does not take must not let claims go on for ever.
  const std::size_t unsettled = topic.consumer->unsettled();
  const std::size_t bound =
      4 * (capacity + static_cast<std::size_t>(shared_.config.max_workers)) + 1000;
  if (unsettled >= bound) return 0;
  return std::min(free, static_cast<std::size_t>(shared_.config.batch_size));
}

void Claimer::pump() {
  if (!shared_.consuming) return;
  for (std::size_t left = ring_.size(); left > 0; --left) {
    // Whoever makes room has this called again.
    const bool full = free_room() == 0 || too_small();
    if (full && alarms_ == 0) return;
    Topic& topic = *ring_.front();
    ring_.pop_front();
    topic.queued_up = false;
    if (!topic.wanted || topic.claiming) continue;  // claim() asks again
    if ((full && !topic.alarm_due) || !start(topic)) {
      topic.queued_up = true;
      ring_.push_back(&topic);
    }
  }
}

bool Claimer::start(Topic& topic) {
  if (!topic.consumer->may_claim()) return false;
  if (topic.retry) {
    // It lingers no longer once the queue has run low; a pause after a failure lasts.
    if (topic.pause > Duration::zero() || shared_.queue.size(topic.id) > room(topic)) return false;
    shared_.loop.cancel(topic.retry);
    topic.retry = {};
  }
  const std::size_t most = room(topic);
  if (most == 0 && !topic.alarm_due) return false;
  if (!topic.alarm_due && linger(topic, most)) return false;
  const std::size_t space = std::min(most, topic.expected);
  if (!shared_.quarantine.begin_claim(shared_.member)) return false;
  topic.claiming = true;
  topic.again = false;
  topic.marker_is_newer = false;
  if (std::exchange(topic.alarm_due, false)) --alarms_;
  topic.reserved = space;
  shared_.reserved += space;
  ++under_way_;
  none_under_way_.reset();
  scope_.spawn(claim(&topic, space));
  return true;
}

// Workers that empty the queue quickly would otherwise have it filled up by many small claims. Slow
// ones do not notice, and what has become urgent meanwhile is not kept waiting for longer than this.
bool Claimer::linger(Topic& topic, std::size_t space) {
  if (shared_.queue.size(topic.id) <= space) return false;
  const TimePoint due = topic.claimed_at + kLinger;
  if (shared_.loop.now() >= due) return false;
  topic.retry = shared_.loop.call_at(due, [this, &topic] {
    topic.retry = {};
    shared_.work();
  });
  return true;
}

// With many topics, each would otherwise claim the little that the last run, or the claims under way, have left.
bool Claimer::too_small() {
  const auto capacity = static_cast<std::size_t>(shared_.config.task_queue_size);
  const std::size_t worth =
      std::min(static_cast<std::size_t>(shared_.config.batch_size), capacity / 8);
  if (free_room() >= worth) return false;
  if (shared_.reserved > 0) return true;  // seldom needed whole, and the answers come soon
  const TimePoint due = claimed_at_ + kLinger;
  if (shared_.loop.now() >= due) return false;
  if (!later_) {
    later_ = shared_.loop.call_at(due, [this] {
      later_ = {};
      shared_.work();
    });
  }
  return true;
}

Task<> Claimer::claim(Topic* topic, std::size_t space) {
  Consumer::Claimed claimed = co_await topic->consumer->claim(static_cast<int>(space));
  shared_.quarantine.hold(shared_.member, claimed.deliveries.size());
  shared_.quarantine.claim_ended(shared_.member);
  topic->claiming = false;
  shared_.reserved -= topic->reserved;
  topic->reserved = 0;
  switch (claimed.state) {
    case Consumer::Claimed::State::unavailable:
      pause(*topic);
      if (space == 0) {
        want_even_without_room(*topic);
      } else {
        want(*topic);
      }
      break;
    case Consumer::Claimed::State::lost:
      want(*topic);
      break;
    case Consumer::Claimed::State::ok:
      topic->pause = {};
      topic->claimed_at = claimed_at_ = shared_.loop.now();
      topic->marker = topic->marker && topic->marker_is_newer;
      topic->backlog = claimed.result.more;
      expect(*topic, claimed);
      topic->wanted = claimed.result.more || topic->again;
      if (topic->wanted) want(*topic);
      take_in(*topic, claimed);
      break;
  }
  if (--under_way_ == 0) none_under_way_.set();
  shared_.work();
}

// Room that is kept for messages that do not come is kept from other topics.
void Claimer::expect(Topic& topic, const Consumer::Claimed& claimed) {
  const std::size_t got = claimed.deliveries.size();
  topic.expected = claimed.result.more
                       ? static_cast<std::size_t>(shared_.config.batch_size)
                       : std::max({Topic::kExpectedAtFirst, topic.expected / 2, 2 * got});
}

void Claimer::take_in(Topic& topic, Consumer::Claimed& claimed) {
  const broker::ClaimResult& result = claimed.result;
  set_alarm(topic, result.alarm);
  topic.suspects = result.suspects;
  hooks_.suspects(topic);
  if (!result.lapsed.empty()) hooks_.lapsed(topic, result.lapsed);
  std::size_t queued = 0;
  for (auto& delivery : claimed.deliveries) {
    if (shared_.stopping || topic.starved) {
      runner_.release(std::move(delivery));
      continue;
    }
    if (runner_.settle_unfit(delivery, result.now)) continue;
    const broker::Level level = delivery->view->level;
    const std::size_t place = level == broker::Level::high     ? 0
                              : level == broker::Level::normal ? 1
                                                               : 2;
    shared_.queue.push(topic.id, place, std::move(delivery));
    ++queued;
  }
  shared_.note_queue();
  if (queued > 0) runner_.wake();
}

void Claimer::set_alarm(Topic& topic, std::int64_t due_ms) {
  if (topic.alarm) shared_.loop.cancel(topic.alarm);
  topic.alarm = {};
  if (due_ms < 0 || !shared_.consuming) return;
  const auto due = std::max(shared_.client->clock().to_mono(due_ms), shared_.loop.now() + 500us);
  topic.alarm = shared_.loop.call_at(due, [this, &topic] {
    topic.alarm = {};
    want_even_without_room(topic);
    shared_.work();
  });
}

void Claimer::pause(Topic& topic) {
  if (!shared_.consuming) return;
  topic.pause = std::clamp<Duration>(2 * topic.pause, 10ms, 1s);
  topic.retry = shared_.loop.call_at(shared_.loop.now() + topic.pause, [this, &topic] {
    topic.retry = {};
    shared_.work();
  });
}

Task<> Claimer::stop(runtime::TimePoint deadline) {
  if (later_) shared_.loop.cancel(later_);
  later_ = {};
  for (const auto& topic : shared_.topics) {
    if (topic->alarm) shared_.loop.cancel(topic->alarm);
    if (topic->retry) shared_.loop.cancel(topic->retry);
    topic->alarm = topic->retry = {};
  }
  co_await none_under_way_.wait_until(deadline);
}

}  // namespace mx_rmq::worker
