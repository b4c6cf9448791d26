#include "worker/waker.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "mx_rmq/errors.hpp"
#include "redis/wire/classify.hpp"

namespace mx_rmq::worker {

namespace log = runtime::log;
using runtime::Duration;
using runtime::TimePoint;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t kMostTopics = 64;
// One command per connection in this time when nothing happens.
constexpr std::chrono::seconds kWait{20};

}  // namespace

struct Waker::Group {
  explicit Group(runtime::EventLoop& loop) : changed(loop) {}

  std::unique_ptr<redis::BlockingLane> lane;
  std::vector<Topic*> topics;
  std::unordered_map<std::string, Topic*> by_key;
  std::vector<const Topic*> unnamed;  // by the wait under way
  std::size_t turn = 0;
  bool waiting = false;  // a wait is under way
  bool interrupting = false;
  bool started = false;
  runtime::Event changed;
  runtime::log::Every gate{10s};
};

Waker::Waker(Shared& shared, Claimer& claimer, runtime::Scope& scope)
    : shared_(shared), claimer_(claimer), scope_(scope), none_waits_(shared.loop) {
  none_waits_.set();
}

Waker::~Waker() = default;

void Waker::add(Topic& topic) {
  if (groups_.empty() || groups_.back()->topics.size() >= kMostTopics) {
    groups_.push_back(std::make_shared<Group>(shared_.loop));
    Group& fresh = *groups_.back();
    fresh.lane = shared_.client->open_blocking();
    // A pause after a failure ends with what it was for.
    fresh.lane->on_ready([weak = std::weak_ptr<Group>(groups_.back())](std::uint64_t) {
      if (const auto group = weak.lock()) group->changed.set();
    });
  }
  Group& group = *groups_.back();
  group.topics.push_back(&topic);
  group.unnamed.push_back(&topic);
  group.by_key.emplace(topic.broker.keys().wake, &topic);
}

void Waker::start() {
  for (const auto& group : groups_) {
    if (group->started) continue;
    group->started = true;
    ++waiting_;
    none_waits_.reset();
    scope_.spawn(wait_loop(group));
  }
}

// What a wait may name now; the others are noted.
std::vector<Topic*> Waker::eligible(Group& group) const {
  std::vector<Topic*> topics;
  group.unnamed.clear();
  const bool open = shared_.consuming && !shared_.quarantine.closed();
  for (Topic* topic : group.topics) {
    if (open && !topic->backlog && claimer_.room(*topic) > 0) {
      topics.push_back(topic);
    } else {
      group.unnamed.push_back(topic);
    }
  }
  return topics;
}

bool Waker::stale(Group& group) const {
  if (stopping_) return true;
  if (!shared_.consuming || shared_.quarantine.closed()) return false;
  return std::ranges::any_of(group.unnamed, [&](const Topic* topic) {
    return !topic->backlog && claimer_.room(*topic) > 0;
  });
}

void Waker::update() {
  for (const auto& group : groups_) {
    if (!group->waiting) {
      group->changed.set();
    } else if (!group->interrupting && stale(*group)) {
      group->interrupting = true;
      scope_.spawn(interrupt(group));
    }
  }
}

Task<> Waker::interrupt(std::shared_ptr<Group> group) {
  Duration pause = 2ms;
  while (group->waiting && stale(*group)) {
    try {
      redis::Lane& via = shared_.client->lane(0);
      co_await group->lane->interrupt(via, shared_.loop.now() + 1s);
    } catch (const Error& e) {
      // Without a connection the wait does not last either.
      log::debug("cannot end a wait", "error", e.what());
    }
    if (!group->waiting) break;
    // Not blocked yet, or its answer is on the way.
    group->changed.reset();
    co_await group->changed.wait_until(shared_.loop.now() + pause);
    pause = std::min<Duration>(2 * pause, 100ms);
  }
  group->interrupting = false;
}

Task<> Waker::wait_loop(std::shared_ptr<Group> group) {
  Duration pause = 10ms;
  while (!stopping_) {
    std::vector<Topic*> topics = eligible(*group);
    if (topics.empty()) {
      group->changed.reset();
      co_await group->changed.wait();
      continue;
    }
    // Redis serves the first key that has a marker: each topic is first in turn.
    std::ranges::rotate(
        topics, topics.begin() + static_cast<std::ptrdiff_t>(group->turn++ % topics.size()));
    std::vector<const broker::TopicKeys*> keys;
    for (const Topic* topic : topics) keys.push_back(&topic->broker.keys());
    redis::Command command = broker::make_wait(keys, kWait);
    const TimePoint deadline =
        shared_.loop.now() + kWait + Duration(shared_.config.command_timeout);
    std::optional<std::string> key;
    Failed failed;
    group->waiting = true;
    try {
      redis::Reply reply = co_await group->lane->wait(std::move(command), deadline);
      key = broker::read_wait(std::move(reply));
    } catch (const OutcomeUnknown& e) {
      failed = {Failed::Kind::unanswered, e.what()};
    } catch (const ServerError& e) {
      failed = {redis::classify(e.code()).remedy == redis::Remedy::reconnect ? Failed::Kind::demoted
                                                                             : Failed::Kind::other,
                e.what()};
    } catch (const Error& e) {
      failed = {Failed::Kind::other, e.what()};
    }
    group->waiting = false;
    group->changed.set();
    if (key) taken(*group, *key);
    if (failed.why.empty()) {
      pause = 10ms;
      continue;
    }
    if (stopping_) break;
    log_failed(*group, failed, topics.size());
    if (failed.kind == Failed::Kind::unanswered) {
      // Redis may have given us a marker.
      for (Topic* topic : topics) claimer_.want(*topic);
      shared_.work();
    }
    group->changed.reset();
    co_await group->changed.wait_until(shared_.loop.now() + pause);
    pause = std::min<Duration>(2 * pause, 1s);
  }
  if (--waiting_ == 0) none_waits_.set();
}

void Waker::log_failed(Group& group, const Failed& failed, std::size_t topics) {
  switch (failed.kind) {
    case Failed::Kind::unanswered:
      log::info(group.gate,
                "a wait for messages ended without an answer; looking, and waiting again",
                "command", "BZPOPMIN", "topics", topics, "error", failed.why);
      break;
    case Failed::Kind::demoted:
      log::info(group.gate,
                "a wait for messages was ended by a server that is no master; connecting anew, and "
                "waiting again",
                "command", "BZPOPMIN", "topics", topics, "error", failed.why);
      break;
    case Failed::Kind::other:
      log::warn(group.gate, "cannot wait for messages at Redis; trying again", "command",
                "BZPOPMIN", "topics", topics, "error", failed.why);
      break;
  }
}

void Waker::taken(Group& group, const std::string& key) {
  const auto found = group.by_key.find(key);
  if (found == group.by_key.end()) return;
  Topic& topic = *found->second;
  if (topic.left) {
    scope_.spawn(hand_on(&topic));  // this came too late for leaving to arm it
    return;
  }
  if (stopping_ || !shared_.consuming) {
    topic.marker = true;  // leaving arms it
    return;
  }
  claimer_.want(topic);
  if (claimer_.room(topic) == 0 || shared_.quarantine.closed()) {
    // Somebody else may have room. Here the topic is claimed when there is, without a marker.
    topic.backlog = true;
    scope_.spawn(hand_on(&topic));
  } else {
    topic.marker = true;
    topic.marker_is_newer = topic.claiming;
  }
  shared_.work();
}

Task<> Waker::hand_on(Topic* topic) {
  ++topic->arming;
  const bool armed = co_await topic->consumer->arm();
  --topic->arming;
  if (!armed) topic->marker = true;
}

Task<> Waker::stop(TimePoint deadline) {
  stopping_ = true;
  update();
  co_await none_waits_.wait_until(deadline);
}

Task<> Waker::finish() {
  co_await none_waits_.wait();
  groups_.clear();
}

}  // namespace mx_rmq::worker
