#include "books.hpp"

#include <algorithm>

namespace mx_rmq::sim {

namespace {

std::string shown(const Record& r) {
  return r.id + " (" + r.topic + ", starts " + std::to_string(r.starts) + ", handled " +
         std::to_string(r.handled) + ", retries " + std::to_string(r.retries) + ", recoveries " +
         std::to_string(r.recoveries) + ", interruptions " + std::to_string(r.interruptions) +
         ", rollbacks " + std::to_string(r.rollbacks) + ", enqueued " + std::to_string(r.enqueued) +
         ", holder '" + r.holder + "')";
}

}  // namespace

Record& Books::open(std::uint64_t number) {
  Record& record = records_[number];
  record.number = number;
  record.id = "m" + std::to_string(number);
  numbers_.emplace(record.id, number);
  return record;
}

Record* Books::find(std::string_view id) {
  const auto found = numbers_.find(std::string(id));
  return found == numbers_.end() ? nullptr : &records_.at(found->second);
}

void Books::violate(std::string rule, std::string what) {
  if (!violation_) violation_ = Violation{std::move(rule), std::move(what), scheduler_.now()};
}

// --- producing ---

void Books::call_began(Record& record) {
  ++record.calls;
  record.called_at = scheduler_.now();
  ++record.open;
}

void Books::call_accepted(Record& record) {
  --record.open;
  ++record.accepted;
  saw("produce accepted");
  if (!record.ever_enqueued) {
    violate("LOST", "produce succeeded, but the server never took " + shown(record));
  }
}

void Books::call_unknown(Record& record) {
  --record.open;
  ++record.unknown;
  saw("produce unknown");
}

void Books::call_rejected(Record& record, std::string_view why) {
  --record.open;
  ++record.rejected;
  saw("produce rejected");
  if (no_rejections_from_ && record.called_at >= *no_rejections_from_) {
    violate("REFUSED", "produce failed with \"" + std::string(why) +
                           "\", though all is well: " + shown(record));
  }
  if (record.calls == 1 && record.ever_enqueued) {
    violate("GHOST", "produce failed with \"" + std::string(why) + "\", but the server took " +
                         shown(record));
  }
}

// --- handling ---

Record* Books::started(const Start& start) {
  Record* const found = find(start.id);
  if (found == nullptr || found->topic != start.topic) {
    violate("UNEXPECTED", "a handler of " + std::string(start.topic) + " got " +
                              std::string(start.id) + ", which was not produced there");
    return nullptr;
  }
  Record& record = *found;
  if (start.body != record.body) violate("CORRUPT", "other bytes than produced: " + shown(record));
  ++record.starts;
  ++record.running;
  record.last_start = scheduler_.now();
  const Duration late = scheduler_.now() - record.ready_at;
  if (record.starts == 1 || late_after_) latest_ = std::max(latest_, late);
  if (late_after_ && late > *late_after_) {
    violate("LATE", "started " + std::to_string(late.count() / 1'000'000) +
                        " ms after it could have been: " + shown(record));
  }
  if (record.starts > 1 + record.explained()) {
    violate(record.running > 1 ? "OVERLAP" : "DUP",
            "started once more than explained: " + shown(record));
  }
  if (!start.holds && start.strict && record.excuses == 0) {
    violate("NOT-HELD", "started by a process that does not hold it: " + shown(record));
  }
  if (record.cancelled && record.plain()) {
    violate("GHOST", "started after it was cancelled: " + shown(record));
  }
  if (start.strict && record.plain() && start.attempt != 1 + record.retries) {
    violate("ATTEMPT", "told attempt " + std::to_string(start.attempt) + ": " + shown(record));
  }
  const auto pause = pauses_.find(record.topic);
  if (pause != pauses_.end() && scheduler_.now() < pause->second.surely_until) {
    violate("PAUSED", "started though its topic is paused: " + shown(record));
  }
  if (start.strict && record.expires_ms != 0 && start.server_ms > record.expires_ms + 100) {
    violate("EXPIRED", "started " + std::to_string(start.server_ms - record.expires_ms) +
                           " ms after it expired: " + shown(record));
  }
  return &record;
}

void Books::resumed(const std::string& topic) {
  saw("resumed");
  pauses_[topic] = Pause();
  for (auto& [number, record] : records_) {
    if (record.topic == topic) record.ready_at = std::max(record.ready_at, scheduler_.now());
  }
}

bool Books::may_be_paused(const std::string& topic) const {
  const auto found = pauses_.find(topic);
  return found != pauses_.end() && found->second.maybe;
}

void Books::ended(Record& record, bool ok) {
  --record.running;
  if (ok) ++record.handled;
}

// --- what the server did ---

void Books::enqueued(Record& record, TimePoint ready_at, std::int64_t now_ms,
                     std::int64_t expires_ms) {
  const auto age = std::chrono::milliseconds(now_ms - record.enqueued_ms);
  if (record.enqueued > 0 && !record.chosen && age >= window_) {
    ++record.excuses;
    saw("twin beyond the window");
  }
  const bool twin = record.excuses == 0;
  if (twin && record.live) violate("TWIN", "enqueued while it is there already: " + shown(record));
  if (twin && record.enqueued > 0 && !record.chosen) {
    violate("TWIN", "enqueued twice: " + shown(record));
  }
  if (record.rejected > 0 && record.calls == record.rejected) {
    violate("GHOST", "enqueued after every produce call had failed: " + shown(record));
  }
  ++record.enqueued;
  record.ever_enqueued = true;
  record.live = true;
  record.rolled_away = false;
  record.ready_at = ready_at;
  record.expires_ms = expires_ms;
  record.enqueued_ms = now_ms;
  record.enqueued_at = scheduler_.now();
  if (record.enqueued > 1 && record.chosen) {
    // A chosen id that was free again: another message as far as the rules go.
    record.retries = record.recoveries = record.interruptions = 0;
    record.starts = 0;  // what still runs belongs to the message before
    record.handled = 0;
    record.acked = record.dead = record.discarded = record.cancelled = false;
  }
}

void Books::given(Record& record, const std::string& consumer) {
  if (!record.holder.empty() && record.plain()) {
    violate("ZOMBIE", "given to " + consumer + " while somebody holds it: " + shown(record));
  }
  record.holder = consumer;
}

void Books::leave(Record& record, const std::string& consumer, const char* how) {
  if (record.holder != consumer && record.plain()) {
    violate("ZOMBIE", consumer + " " + how + " what it does not hold: " + shown(record));
  }
  record.holder.clear();
}

void Books::acked(Record& record, const std::string& consumer, bool discarded) {
  leave(record, consumer, "acknowledged");
  record.live = false;
  if (discarded) {
    record.discarded = true;
    return;
  }
  record.acked = true;
  if (record.handled == 0) {
    violate("LOST", "acknowledged, though no handler has ended well: " + shown(record));
  }
}

void Books::retried(Record& record, const std::string& consumer, TimePoint due) {
  leave(record, consumer, "retried");
  ++record.retries;
  record.ready_at = due;
  saw("retry");
}

void Books::released(Record& record, const std::string& consumer, bool interrupted) {
  leave(record, consumer, "gave back");
  if (interrupted) ++record.interruptions;
  record.ready_at = scheduler_.now();
  saw(interrupted ? "interrupted" : "given back");
}

void Books::recovered(Record& record) {
  if (no_lapses_) {
    violate("LAPSE", "the lease of '" + record.holder +
                         "' ran out, though nothing went wrong: " + shown(record));
  }
  record.holder.clear();
  ++record.recoveries;
  record.ready_at = scheduler_.now();
  saw("recovered");
}

void Books::buried(Record& record, std::string_view reason) {
  record.holder.clear();
  record.live = false;
  record.dead = true;
  saw("dead " + std::string(reason));
  if (reason == "poison" && only_killers_ && !record.kills) {
    violate("INNOCENT", "condemned as poison, though it kills nobody: " + shown(record));
  }
  if (reason == "decode") violate("CORRUPT", "did not decode: " + shown(record));
}

void Books::cancelled(Record& record) {
  record.live = false;
  record.cancelled = record.ever_cancelled = true;
  saw("cancelled");
}

void Books::expired(const Record& record, std::int64_t now_ms) {
  // A retry that would come too late counts as expired at once.
  if (record.starts > 0 || !record.plain() || now_ms + 100 >= record.expires_ms) return;
  violate("EXPIRED", "taken for expired " + std::to_string(record.expires_ms - now_ms) +
                         " ms too early: " + shown(record));
}

// --- the end ---

void Books::check_outcomes() {
  for (const auto& [number, record] : records_) {
    if (record.open > 0) violate("HANG", "a produce call has not ended: " + shown(record));
    if (record.live) violate("STUCK", "still at the server: " + shown(record));
    if (!record.holder.empty()) violate("STUCK", "still held: " + shown(record));
    const bool ended =
        (record.acked && record.handled > 0) || record.dead || record.discarded || record.cancelled;
    if (record.accepted > 0 && !ended && !record.rolled_away) {
      violate("LOST", "accepted, and nowhere: " + shown(record));
    }
    if (record.rolled_away && !ended) saw("lost by failover");
  }
}

}  // namespace mx_rmq::sim
