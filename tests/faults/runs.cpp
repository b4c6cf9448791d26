#include "faults/runs.hpp"

#include <algorithm>
#include <limits>

namespace mx_rmq::faults {
namespace {

constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();

std::string text_of(const Run& run) {
  return "pid " + std::to_string(run.pid) + " attempt " + std::to_string(run.attempt) +
         " recoveries " + std::to_string(run.recoveries) + " at " +
         std::to_string(run.begin / 1'000'000) + " ms" +
         (run.ended ? " to " + std::to_string(run.end / 1'000'000) : "");
}

}  // namespace

Troubles::Troubles(const std::vector<Record>& records, std::uint64_t lease_ns)
    : lease_ns_(lease_ns) {
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::uint64_t> open;  // fault, pid -> begin
  const auto close = [&](std::uint64_t fault, std::uint64_t pid, std::uint64_t begin,
                         std::uint64_t end) {
    const FaultKind& kind = kind_of(static_cast<Fault>(fault));
    add({kind.name, pid, begin, end, kind.costs_lease, kind.rolls_back});
  };
  for (const Record& each : records) {
    if (each.op == Op::fault_begins) {
      const auto fault = static_cast<Fault>(each.key);
      ++counts_[std::string(kind_of(fault).name)];
      const bool deadly = fault == Fault::kill_worker || fault == Fault::poison;
      if (deadly && each.id != 0) ends_[static_cast<std::uint32_t>(each.id)] = each.at;
      if (deadly) {
        close(each.key, each.id, each.at, each.at);
      } else {
        open.emplace(std::pair(each.key, each.id), each.at);
      }
    } else if (each.op == Op::fault_ends) {
      const auto found = open.find({each.key, each.id});
      if (found == open.end()) continue;
      close(each.key, each.id, found->second, each.at);
      open.erase(found);
    } else if (each.op == Op::stood_still && each.value >= lease_ns / 4) {
      ++counts_["stood still"];
      add({"stood still", each.id, each.at - std::min(each.value, each.at), each.at, true, false});
    } else if (each.op == Op::ended) {
      ends_.emplace(each.pid, each.at);
    }
  }
  for (const auto& [what, begin] : open) close(what.first, what.second, begin, never);
  std::ranges::sort(all_, {}, &Trouble::begin);
  std::uint64_t latest = 0;
  for (const Trouble& each : all_) latest_end_.push_back(latest = std::max(latest, each.end));
}

void Troubles::add(Trouble trouble) { all_.push_back(trouble); }

const Trouble* Troubles::lease_loss(std::uint64_t pid, std::uint64_t from, std::uint64_t to) const {
  // A trouble that ended shortly before may still have cost what was prefetched its lease.
  const std::uint64_t since = from > lease_ns_ ? from - lease_ns_ : 0;
  auto each = std::ranges::upper_bound(all_, to, {}, &Trouble::begin);
  while (each != all_.begin()) {
    --each;
    if (latest_end_[static_cast<std::size_t>(each - all_.begin())] < since) return nullptr;
    if (each->costs_lease && each->end >= since && (pid == 0 || each->pid == 0 || each->pid == pid))
      return &*each;
  }
  return nullptr;
}

const Trouble* Troubles::rollback(std::uint64_t from, std::uint64_t to) const {
  for (const Trouble& each : all_)
    if (each.rolls_back && each.begin <= to && each.end >= from) return &each;
  return nullptr;
}

bool Troubles::stopped(std::uint32_t pid, std::uint64_t from, std::uint64_t to) const {
  return std::ranges::any_of(all_, [&](const Trouble& each) {
    return each.name == kind_of(Fault::stop_worker).name && each.pid == pid && each.begin <= to &&
           each.end >= from;
  });
}

std::uint64_t Troubles::end_of(std::uint32_t pid) const {
  const auto found = ends_.find(pid);
  return found == ends_.end() ? never : found->second;
}

void example(Verdict& verdict, const std::string& what, std::uint64_t key,
             const std::string& detail) {
  const std::string line = what + ": ";
  const auto same = std::ranges::count_if(
      verdict.examples, [&](const std::string& each) { return each.starts_with(line); });
  if (same < 3) verdict.examples.push_back(line + "message " + std::to_string(key) + ' ' + detail);
}

void judge_runs(std::uint64_t key, const std::vector<Run>& runs, int produced,
                const Troubles& troubles, Verdict& verdict) {
  int repeats = produced - 1;
  const auto unexplained = [&](const Run& before, const Run& after, const char* why) {
    ++verdict.unexplained;
    example(verdict, "unexplained", key, why + (": " + text_of(before)) + "; " + text_of(after));
  };
  std::size_t newest = 0;  // the one with the highest fence so far
  for (std::size_t i = 1; i < runs.size(); ++i) {
    const Run& before = runs[newest];
    const Run& after = runs[i];
    if (after.fence() >= before.fence() || after.id != before.id) newest = i;
    const auto explain = [&](std::string_view reason) { ++verdict.explained[std::string(reason)]; };
    const bool overlaps = after.begin < before.end;

    if (after.id != before.id) {
      // Two messages with one payload: nothing but a second produce call may do that.
      if (repeats-- > 0) {
        explain("produced again");
      } else {
        unexplained(before, after, "a twin");
      }
      continue;
    }
    if (after.fence() <= before.fence()) {
      if (troubles.rollback(before.begin, after.begin) != nullptr) {
        explain("rollback");
      } else if (after.fence() == 1 && repeats > 0) {
        --repeats;  // its id was chosen, and free again
        explain("produced again");
      } else if (after.fence() < before.fence() &&
                 troubles.lease_loss(after.pid, after.begin, after.begin) != nullptr) {
        // It stood still between its last look at the lease and the handler's first line. What it
        // settles is refused.
        explain("late beginning");
        continue;
      } else if (after.fence() < before.fence()) {
        ++verdict.zombie;
        example(verdict, "zombie", key,
                "an older delivery after a newer one: " + text_of(before) + "; " + text_of(after));
      } else {
        unexplained(before, after, "delivered twice");
      }
      if (overlaps && troubles.rollback(before.begin, after.begin) == nullptr) ++verdict.overlap;
      continue;
    }
    const int attempts = after.attempt - before.attempt;
    const int recoveries = after.recoveries - before.recoveries;
    if (recoveries > 0) {
      // Who held it when the lease ran out is known only if nobody can have had it in between.
      const std::uint64_t holder = attempts == 0 && recoveries == 1 ? before.pid : 0;
      const Trouble* const why = troubles.lease_loss(holder, before.begin, after.begin);
      if (why == nullptr) {
        unexplained(before, after, "a lease lost without a fault");
        continue;
      }
      explain(why->name);
      const std::uint64_t died = troubles.end_of(before.pid);
      if (!before.ended && recoveries == 1 && died < after.begin)
        verdict.longest_redelivery =
            std::max(verdict.longest_redelivery, std::chrono::nanoseconds(after.begin - died));
      continue;
    }
    // A failed attempt, and the next one.
    const bool failed = before.ended && before.outcome != Outcome::ok;
    if (failed) {
      explain("retry");
    } else if (troubles.stopped(before.pid, before.begin, after.begin)) {
      explain("stop worker");
    } else {
      unexplained(before, after, "an attempt counted that did not fail");
    }
    if (overlaps && !troubles.stopped(before.pid, before.begin, after.begin)) {
      ++verdict.overlap;
      example(verdict, "overlap", key, text_of(before) + "; " + text_of(after));
    }
  }
}

}  // namespace mx_rmq::faults
