#include "worker/sweeper.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "api/batch.hpp"
#include "api/checks.hpp"
#include "broker/scripts/calls_snapshot.hpp"
#include "runtime/log.hpp"
#include "worker/claimer.hpp"
#include "worker/jitter.hpp"
#include "worker/partitions.hpp"

namespace mx_rmq::worker {

namespace log = runtime::log;
using redis::CallEnd;
using runtime::Duration;

namespace {

// After a sweep without an answer the next one comes so soon, or up to twice as late: if the
// connection had been forgotten by something in between, before the new one is, too.
constexpr Duration sweep_again_after = std::chrono::milliseconds(500);

// Redis has answered, though maybe with an error.
bool was_heard(const CallEnd& end) {
  using Kind = CallEnd::Kind;
  return end.kind() == Kind::answered || end.kind() == Kind::refused ||
         end.kind() == Kind::not_now || end.kind() == Kind::half_done;
}

}  // namespace

Sweeper::Sweeper(runtime::EventLoop& loop, redis::Rng& rng, const MQConfig& config, Others others,
                 runtime::Scope& scope)
    : loop_(loop), rng_(rng), config_(config), others_(others), scope_(scope), stopped_(loop) {}

void Sweeper::add(Source& source) {
  assert(source.id == records_.size() && "sources are added in order");
  Record& record = records_.emplace_back(source);
  record.epoch_began = loop_.now();
  record.epoch_hook = source.broker.route().on_epoch(
      [this, &record](std::uint64_t) { record.epoch_began = loop_.now(); });
  scope_.spawn(sweep_loop(&record));
}

Sweeper::~Sweeper() {
  for (auto& record : records_) record.source.broker.route().remove_on_epoch(record.epoch_hook);
}

void Sweeper::tell_dropped(const Source& source, const std::vector<std::string>& members) {
  for (const auto& member : members)
    log::warn("dead letter dropped: over the cap", "topic", source.topic.name, "id", member);
}

// False: stopped.
Task<bool> Sweeper::pause(Duration duration) {
  const bool stopped = co_await stopped_.wait_until(loop_.now() + duration);
  co_return !stopped;
}

Task<> Sweeper::sweep_loop(Record* record) {
  const Duration interval(config_.expired_check_interval);
  bool go = co_await pause(between(rng_, interval / 2, interval));
  while (go) {
    broker::Sweep::Reply result;
    const CallEnd end = co_await sweep(record, &result);
    if (end.answered()) {
      others_.suspects.told(record->source, result.suspects);
      others_.claimer.swept(record->source, result.waits, result.listed);
      others_.partitions.swept(record->source, result.settings);
      if (!result.lapsed.empty()) lapsed(record->source, std::move(result.lapsed));
      co_await note_history(record, result.now);
    }
    Duration wait = between(rng_, interval, interval * 11 / 10);
    if (!was_heard(end))
      wait = std::min(wait, between(rng_, sweep_again_after, 2 * sweep_again_after));
    go = co_await pause(wait);
  }
}

// Once a minute. Whoever comes first writes; if this fails, somebody else does, or the next minute.
Task<> Sweeper::note_history(Record* record, std::int64_t now) {
  constexpr std::int64_t minute = 60'000;
  Source& source = record->source;
  if (now / minute <= record->noted || source.consumer.draining()) co_return;
  record->noted = now / minute;
  CallEnd end;
  try {
    co_await source.broker.call<broker::Snapshot>(source.consumer.command_deadline());
  } catch (...) {
    end = CallEnd::caught();
  }
  if (!end.answered())
    log::debug("the history was not noted", "topic", source.topic.name, "error", end.what());
}

// One sweep, all its steps; how the last of them ended.
Task<CallEnd> Sweeper::sweep(Record* record, broker::Sweep::Reply* last) {
  Source& source = record->source;
  Consumer& consumer = source.consumer;
  std::int64_t taken = 0;
  while (!consumer.draining()) {
    const std::string name = consumer.name();
    broker::Sweep::Args args;
    args.consumer = name;
    args.number = ++record->sweeps;
    args.most = api::batch_of(config_);
    args.bytes = config_.claim_bytes;
    args.drop = !config_.enable_dead_letter || !config_.dead_letter_expired;
    args.longest_lease = api::max_lease;
    args.dead_cap = consumer.dead_cap();
    CallEnd end;
    try {
      *last = co_await source.broker.call<broker::Sweep>(args, consumer.command_deadline());
    } catch (...) {
      end = CallEnd::caught();
    }
    if (!end.answered()) {
      consumer.failed("sweep", end.what());
      co_return end;
    }
    consumer.heard();
    taken += last->taken;
    tell_dropped(source, last->dropped);
    if (!last->more) break;
  }
  if (taken > 0)
    log::info("swept messages that nobody began in time", "topic", source.topic.name, "messages",
              taken);
  co_return CallEnd();
}

void Sweeper::lapsed(const Source& source, std::string consumer) {
  Record& record = records_[source.id];
  if (record.reaping || stopped_.is_set()) return;
  if (loop_.now() - record.epoch_began < Duration(config_.lease) / 3) return;  // told again
  scope_.spawn(reap(&record, std::move(consumer), Raised(record.reaping)));
}

// Takes over from a consumer whose lease ran out, to the end.
Task<> Sweeper::reap(Record* record, std::string victim, Raised /*reaping*/) {
  Source& source = record->source;
  Consumer& consumer = source.consumer;
  std::int64_t recovered = 0;
  std::int64_t dead = 0;
  while (!consumer.draining()) {
    broker::Reap::Args args;
    args.victim = victim;
    args.most = api::batch_of(config_);
    args.bytes = config_.claim_bytes;
    args.longest_lease = api::max_lease;
    args.dead_cap = consumer.dead_cap();
    broker::Reap::Reply result;
    CallEnd end;
    try {
      result = co_await source.broker.call<broker::Reap>(args, consumer.command_deadline());
    } catch (...) {
      end = CallEnd::caught();
    }
    if (!end.answered()) {
      consumer.failed("reap", end.what());  // told of it again by the next claim or sweep
      co_return;
    }
    recovered += result.recovered;
    dead += result.dead;
    tell_dropped(source, result.dropped);
    if (result.state != broker::Reap::State::taken || result.left == 0) break;
  }
  if (recovered + dead > 0)
    log::warn("took over from a consumer whose lease ran out", "topic", source.topic.name,
              "consumer", victim, "recovered", recovered, "dead_letters", dead);
}

}  // namespace mx_rmq::worker
