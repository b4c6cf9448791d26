#include "worker/markers.hpp"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <optional>
#include <unordered_map>
#include <utility>

#include "runtime/backoff.hpp"
#include "runtime/log.hpp"
#include "runtime/planted.hpp"

namespace mx_rmq::worker {

namespace log = runtime::log;
using redis::CallEnd;
using runtime::Backoff;
using runtime::Duration;
using runtime::TimePoint;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t most_sources = 64;
// One command per connection in this time when nothing happens.
constexpr std::chrono::seconds longest_wait{20};

bool demoted(const CallEnd& end) { return end.remedy() == redis::Remedy::reconnect; }

}  // namespace

// What one connection waits for.
struct Markers::Group {
  explicit Group(runtime::EventLoop& loop) : changed(loop) {}

  std::unique_ptr<redis::BlockingLane> lane;
  std::vector<Record*> records;
  std::unordered_map<std::string, Record*> by_key;
  std::vector<const Record*> unnamed;  // by the wait under way
  std::size_t turn = 0;
  bool waiting = false;  // a wait is under way
  bool interrupting = false;
  runtime::Event changed;
  runtime::log::Every gate{10s};
};

Markers::Markers(redis::Client& client, const MQConfig& config, Claimer& claimer,
                 runtime::Scope& scope)
    : client_(client),
      loop_(client.loop()),
      config_(config),
      claimer_(claimer),
      scope_(scope),
      none_waits_(loop_) {
  none_waits_.set();
}

Markers::~Markers() = default;

void Markers::add(Source& source) {
  assert(source.id == records_.size() && "sources are added in order");
  Record& record = records_.emplace_back(source);
  const bool full = groups_.empty() || groups_.back()->records.size() >= most_sources;
  if (full) {
    const auto fresh = std::make_shared<Group>(loop_);
    fresh->lane = client_.open_blocking(source.topic.name);
    // A pause after a failure ends with what it was for.
    fresh->lane->on_ready([weak = std::weak_ptr<Group>(fresh)](std::uint64_t) {
      if (const auto group = weak.lock()) group->changed.set();
    });
    groups_.push_back(fresh);
    scope_.spawn(wait_loop(fresh));
    ++loops_;
    none_waits_.reset();
  }
  Group& group = *groups_.back();
  group.records.push_back(&record);
  group.unnamed.push_back(&record);
  group.by_key.emplace(source.broker.keys().wake, &record);
}

// What a wait may name now; the others are noted.
std::vector<Markers::Record*> Markers::eligible(Group& group) const {
  std::vector<Record*> named;
  group.unnamed.clear();
  for (Record* record : group.records) {
    if (claimer_.wants_marker(record->source)) {
      named.push_back(record);
    } else {
      group.unnamed.push_back(record);
    }
  }
  return named;
}

bool Markers::stale(const Group& group) const {
  return stopping_ || std::ranges::any_of(group.unnamed, [this](const Record* record) {
           return claimer_.wants_marker(record->source);
         });
}

void Markers::update() {
  for (const auto& group : groups_) {
    if (!group->waiting) {
      group->changed.set();
    } else if (!group->interrupting && stale(*group)) {
      scope_.spawn(interrupt(group, Raised(group->interrupting)));
    }
  }
}

Task<> Markers::interrupt(std::shared_ptr<Group> group, Raised raised) {
  const Raised interrupting = std::move(raised);  // ends before the group that it is in
  Backoff pause(2ms, 100ms);
  while (group->waiting && stale(*group)) {
    CallEnd end;
    try {
      co_await group->lane->interrupt(loop_.now() + 1s);
    } catch (...) {
      end = CallEnd::caught();
    }
    // Without a connection the wait does not last either.
    if (!end.answered()) log::debug("cannot end a wait", "error", end.what());
    if (!group->waiting) break;
    // Not blocked yet, or its answer is on the way.
    group->changed.reset();
    co_await group->changed.wait_until(loop_.now() + pause.next());
  }
}

Task<> Markers::wait_loop(std::shared_ptr<Group> group) {
  Backoff pause(10ms, 1s);
  while (!stopping_) {
    std::vector<Record*> named = eligible(*group);
    if (named.empty()) {
      group->changed.reset();
      co_await group->changed.wait();
      continue;
    }
    // Redis serves the first key that has a marker: each source is first in turn.
    std::ranges::rotate(named,
                        named.begin() + static_cast<std::ptrdiff_t>(group->turn++ % named.size()));
    std::vector<const broker::TopicKeys*> keys;
    for (const Record* record : named) keys.push_back(&record->source.broker.keys());
    redis::Command command = broker::make_wait(keys, longest_wait);
    const TimePoint deadline = loop_.now() + longest_wait + Duration(config_.command_timeout);
    std::optional<std::string> key;
    CallEnd end;
    group->waiting = true;
    try {
      redis::Reply reply = co_await group->lane->wait(std::move(command), deadline);
      key = broker::read_wait(std::move(reply));
    } catch (...) {
      end = CallEnd::caught();
    }
    group->waiting = false;
    group->changed.set();
    if (key) taken(*group, *key);
    if (end.answered()) {
      pause.reset();
      continue;
    }
    if (stopping_) break;
    log_failed(*group, end, named.size());
    if (end.maybe_executed()) {
      // Redis may have given us a marker.
      for (const Record* record : named) claimer_.want(record->source);
    }
    group->changed.reset();
    co_await group->changed.wait_until(loop_.now() + pause.next());
  }
  if (--loops_ == 0) none_waits_.set();
}

void Markers::log_failed(Group& group, const CallEnd& end, std::size_t sources) {
  if (demoted(end)) {
    log::info(group.gate,
              "a wait for messages was ended by a server that is no master; connecting anew, and "
              "waiting again",
              "command", "BZPOPMIN", "topics", sources, "error", end.what());
  } else if (end.maybe_executed()) {
    log::info(group.gate, "a wait for messages ended without an answer; looking, and waiting again",
              "command", "BZPOPMIN", "topics", sources, "error", end.what());
  } else {
    log::warn(group.gate, "cannot wait for messages at Redis; trying again", "command", "BZPOPMIN",
              "topics", sources, "error", end.what());
  }
}

void Markers::taken(Group& group, const std::string& key) {
  const auto found = group.by_key.find(key);
  if (found == group.by_key.end()) return;
  Record& record = *found->second;
  if (record.left) {
    scope_.spawn(
        arm_again(&record, count_in(record.arming)));  // this came too late for leaving to arm it
    return;
  }
  // While stopping, leaving arms it.
  if (stopping_ || !claimer_.consuming() || claimer_.marker_came(record.source)) {
    record.owes_claim = claimer_.last_sent(record.source) + 1;
  } else {
    scope_.spawn(arm_again(&record, count_in(record.arming)));
  }
}

Task<> Markers::arm_again(Record* record, Counted arming) {
  Consumer& consumer = record->source.consumer;
  CallEnd end;
  try {
    co_await record->source.broker.call<broker::Arm>(consumer.command_deadline());
  } catch (...) {
    end = CallEnd::caught();
  }
  arming.reset();
  if (end.answered()) co_return;
  consumer.failed("arm", end.what());
  record->owes_claim = claimer_.last_sent(record->source) + 1;
}

bool Markers::leave(const Source& source) {
  Record& record = records_[source.id];
  record.left = true;
  if (MX_RMQ_PLANTED("forgets_the_marker_when_stopping")) return false;
  return claimer_.last_answered(source) < record.owes_claim || record.arming > 0;
}

// --- the end ---

Task<> Markers::stop(TimePoint deadline) {
  stopping_ = true;
  update();
  co_await none_waits_.wait_until(deadline);
}

Task<> Markers::finish() {
  co_await none_waits_.wait();
  groups_.clear();
}

}  // namespace mx_rmq::worker
