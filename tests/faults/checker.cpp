#include "faults/checker.hpp"

#include <algorithm>
#include <numeric>
#include <sstream>

#include "faults/runs.hpp"

namespace mx_rmq::faults {
namespace {

// All that is known of one message.
struct Story {
  int produce_calls = 0;
  bool acknowledged = false;
  int refusals = 0;
  std::uint64_t acknowledged_at = 0;
  std::uint32_t crc = 0;
  bool handled = false;
  int dead = 0;
  int rest = 0;
  std::vector<Run> runs;
  std::vector<Left> left;
  std::uint64_t last_grant = 0;
  std::vector<std::uint32_t> crcs;  // as handlers got it
  std::int64_t stale_settlements = 0;
};

void begin_run(Story& story, const Record& record, const Troubles& troubles) {
  Run run;
  run.pid = record.pid;
  run.begin = record.at;
  run.end = troubles.end_of(record.pid);
  run.attempt = record.attempt;
  run.recoveries = record.recoveries;
  run.id = record.id;
  story.runs.push_back(run);
  story.crcs.push_back(record.crc);
}

// False: an end without a beginning.
bool end_run(Story& story, const Record& record) {
  for (Run& each : story.runs) {
    if (each.ended || each.pid != record.pid || each.attempt != record.attempt ||
        each.recoveries != record.recoveries)
      continue;
    each.ended = true;
    each.end = record.at;
    each.outcome = record.outcome;
    story.handled |= record.outcome == Outcome::ok;
    return true;
  }
  return false;
}

void add(Story& story, const Record& record, const Troubles& troubles, Verdict& verdict) {
  switch (record.op) {
    case Op::produce_begins:
      ++story.produce_calls;
      story.crc = record.crc;
      break;
    case Op::produced:
      story.acknowledged = true;
      story.acknowledged_at = record.at;
      break;
    case Op::refused:
      ++story.refusals;
      break;
    case Op::run_begins:
      begin_run(story, record, troubles);
      break;
    case Op::run_ends:
      if (!end_run(story, record)) {
        ++verdict.unexpected;
        example(verdict, "unexpected", record.key, "a run ended that had not begun");
      }
      break;
    case Op::granted:
      story.last_grant = std::max(story.last_grant, record.value);
      break;
    case Op::settled:
      if (record.value < story.last_grant) ++story.stale_settlements;
      break;
    default:
      break;
  }
}

void judge(std::uint64_t key, Story& story, const Troubles& troubles, const Rules& rules,
           Verdict& verdict) {
  const bool known = story.produce_calls > 0;
  const bool reached = story.handled || story.dead > 0;
  // One call of several whose outcome is unknown may have done it.
  const bool refused = known && story.refusals == story.produce_calls;
  verdict.attempted += known;
  verdict.acknowledged += story.acknowledged;
  verdict.refused += refused;
  verdict.unknown += known && !story.acknowledged && !refused;
  verdict.handled += story.handled;
  verdict.dead += story.dead > 0;
  verdict.runs += static_cast<std::int64_t>(story.runs.size());
  verdict.recovered += known && !story.acknowledged && !refused && story.handled;

  if (story.acknowledged && !reached && story.rest == 0) {
    const auto until = story.acknowledged_at + static_cast<std::uint64_t>(rules.forgets.count());
    if (rules.forgets.count() > 0 && troubles.rollback(story.acknowledged_at, until) != nullptr) {
      ++verdict.forgotten;
    } else {
      ++verdict.lost;
      example(verdict, "lost", key,
              "acknowledged at " + std::to_string(story.acknowledged_at / 1'000'000) + " ms, " +
                  std::to_string(story.runs.size()) + " runs");
    }
  }
  if (story.rest > 0) {
    ++verdict.stuck;
    example(verdict, "stuck", key, "still in the server");
  }
  if (!known && (!story.runs.empty() || story.dead > 0 || story.rest > 0)) {
    ++verdict.unexpected;
    example(verdict, "unexpected", key, "nobody produced it");
  }
  if (refused && (reached || story.rest > 0 || !story.runs.empty())) {
    ++verdict.ghost;
    example(verdict, "ghost", key, "its produce call had been refused");
  }
  bool damaged = std::ranges::any_of(story.crcs, [&](auto crc) { return crc != story.crc; });
  for (const Left& each : story.left) damaged |= each.crc != story.crc;
  if (known && damaged) {
    ++verdict.corrupt;
    example(verdict, "corrupt", key, "its payload is another");
  }
  if (story.dead > 1 ||
      (story.dead > 0 && story.handled && story.produce_calls < 2 && troubles.counts().empty())) {
    ++verdict.unexplained;
    example(verdict, "unexplained", key, "dead more than once, or dead and handled");
  }
  if (story.stale_settlements > 0) {
    ++verdict.zombie;
    example(verdict, "zombie", key, "acknowledged by a delivery older than the last one");
  }
  std::ranges::stable_sort(story.runs, {}, &Run::begin);
  judge_runs(key, story.runs, story.produce_calls, troubles, verdict);
}

void look_at_times(const std::vector<Record>& records, Verdict& verdict) {
  std::uint64_t last = 0;
  std::map<std::uint32_t, std::uint64_t> files;
  for (const Record& each : records) {
    if (each.op == Op::run_begins) {
      if (last != 0)
        verdict.longest_gap =
            std::max(verdict.longest_gap, std::chrono::nanoseconds(each.at - last));
      last = each.at;
    } else if (each.op == Op::started) {
      files[each.pid] = each.value;
    } else if (each.op == Op::ended && files.contains(each.pid) && each.value > files[each.pid]) {
      ++verdict.leaks;
      example(verdict, "leak", 0,
              "process " + std::to_string(each.pid) + " began with " +
                  std::to_string(files[each.pid]) + " open files and ended with " +
                  std::to_string(each.value));
    }
  }
}

bool of_a_message(Op op) {
  switch (op) {
    case Op::produce_begins:
    case Op::produced:
    case Op::refused:
    case Op::unknown:
    case Op::run_begins:
    case Op::run_ends:
    case Op::granted:
    case Op::settled:
      return true;
    default:
      return false;
  }
}

}  // namespace

Verdict check(const Facts& facts, const Rules& rules) {
  Verdict verdict;
  const Troubles troubles(facts.records, static_cast<std::uint64_t>(rules.lease.count()));

  // By message, each in the order of time.
  std::vector<std::uint32_t> order;
  for (std::uint32_t i = 0; i < facts.records.size(); ++i)
    if (of_a_message(facts.records[i].op)) order.push_back(i);
  std::ranges::stable_sort(order, {}, [&](std::uint32_t i) { return facts.records[i].key; });
  std::map<std::uint64_t, std::pair<std::vector<Left>, std::vector<Left>>> left;
  for (const Left& each : facts.dead) left[each.key].first.push_back(each);
  for (const Left& each : facts.rest) left[each.key].second.push_back(each);

  const auto judge_one = [&](std::uint64_t key, Story& story) {
    if (const auto found = left.find(key); found != left.end()) {
      const auto& [dead, rest] = found->second;
      story.dead = static_cast<int>(dead.size());
      story.rest = static_cast<int>(rest.size());
      story.left = dead;
      story.left.insert(story.left.end(), rest.begin(), rest.end());
      left.erase(found);
    }
    judge(key, story, troubles, rules, verdict);
  };
  for (std::size_t i = 0; i < order.size();) {
    const std::uint64_t key = facts.records[order[i]].key;
    Story story;
    for (; i < order.size() && facts.records[order[i]].key == key; ++i)
      add(story, facts.records[order[i]], troubles, verdict);
    judge_one(key, story);
  }
  while (!left.empty()) {
    Story story;
    judge_one(left.begin()->first, story);
  }

  look_at_times(facts.records, verdict);
  verdict.conservation = static_cast<std::int64_t>(facts.audits.size());
  for (const auto& each : facts.audits)
    if (verdict.examples.size() < 20) verdict.examples.push_back("conservation: " + each);
  verdict.seen = facts.seen;
  for (const auto& [name, count] : troubles.counts()) verdict.seen[name] += count;
  if (verdict.explained_total() > 0) verdict.seen["redelivery"] += verdict.explained_total();
  if (verdict.refused > 0) verdict.seen["refused"] += verdict.refused;
  if (verdict.forgotten > 0) verdict.seen["forgotten"] += verdict.forgotten;
  for (const auto& name : rules.must_see)
    if (!verdict.seen.contains(name) || verdict.seen.at(name) == 0)
      verdict.not_seen.push_back(name);
  return verdict;
}

std::int64_t Verdict::explained_total() const {
  return std::accumulate(explained.begin(), explained.end(), std::int64_t{0},
                         [](std::int64_t sum, const auto& each) { return sum + each.second; });
}

bool Verdict::holds() const {
  return lost + stuck + unexpected + ghost + unexplained + overlap + zombie + corrupt +
                 conservation + leaks ==
             0 &&
         not_seen.empty();
}

std::string Verdict::text() const {
  std::ostringstream out;
  out << "messages: attempted " << attempted << ", acknowledged " << acknowledged << ", refused "
      << refused << ", unknown " << unknown << ", handled " << handled << ", dead " << dead
      << ", runs " << runs << ", recovered " << recovered << ", forgotten " << forgotten
      << "\nmust be 0: lost " << lost << ", stuck " << stuck << ", unexpected " << unexpected
      << ", ghost " << ghost << ", unexplained " << unexplained << ", overlap " << overlap
      << ", zombie " << zombie << ", corrupt " << corrupt << ", conservation " << conservation
      << ", leaks " << leaks << "\nexplained runs:";
  for (const auto& [reason, count] : explained) out << ' ' << reason << '=' << count << ';';
  out << "\nseen:";
  for (const auto& [name, count] : seen) out << ' ' << name << '=' << count << ';';
  using std::chrono::milliseconds;
  out << "\nlongest gap " << std::chrono::duration_cast<milliseconds>(longest_gap).count()
      << " ms, longest redelivery "
      << std::chrono::duration_cast<milliseconds>(longest_redelivery).count() << " ms\n";
  for (const auto& each : not_seen) out << "never seen, so nothing was shown: " << each << '\n';
  for (const auto& each : examples) out << each << '\n';
  return out.str();
}

}  // namespace mx_rmq::faults
