// The checker finds each kind of fault that it is for: a ledger that shows it is doctored for each.
#include "faults/checker.hpp"
#include "faults/support.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace mx_rmq::faults {
namespace {

using namespace std::chrono_literals;

// Writes a story down, a millisecond a record.
class Script {
 public:
  Script& add(Op op, std::uint64_t key, std::uint32_t pid = 1) {
    Record record;
    record.op = op;
    record.key = key;
    record.pid = pid;
    record.id = 1000 + key;
    record.crc = 7;
    record.attempt = 1;
    record.at = (facts.records.size() + 1) * 1'000'000;
    facts.records.push_back(record);
    return *this;
  }
  Script& produced(std::uint64_t key) {
    return add(Op::produce_begins, key).add(Op::produced, key);
  }
  Script& begins(std::uint64_t key, std::uint32_t pid, int attempt = 1, int recoveries = 0) {
    add(Op::run_begins, key, pid);
    last().attempt = static_cast<std::uint16_t>(attempt);
    last().recoveries = static_cast<std::uint16_t>(recoveries);
    return *this;
  }
  Script& ends(std::uint64_t key, std::uint32_t pid, int attempt = 1, int recoveries = 0,
               Outcome outcome = Outcome::ok) {
    begins(key, pid, attempt, recoveries);
    last().op = Op::run_ends;
    last().outcome = outcome;
    return *this;
  }
  Script& fault(Op op, Fault fault, std::uint64_t pid = 0) {
    add(op, static_cast<std::uint64_t>(fault));
    last().id = pid;
    return *this;
  }
  Script& grant(Op op, std::uint64_t key, std::uint64_t number) {
    add(op, key);
    last().value = number;
    return *this;
  }
  Record& last() { return facts.records.back(); }

  Verdict judge(Rules rules = {}) {
    if (rules.lease == 0ns) rules.lease = 1s;
    return check(facts, rules);
  }

  Facts facts;
};

// One message, handled once, and one that failed once: nothing is wrong.
Script good() {
  Script script;
  script.produced(1).begins(1, 5).ends(1, 5);
  script.produced(2).begins(2, 5).ends(2, 5, 1, 0, Outcome::thrown).begins(2, 5, 2).ends(2, 5, 2);
  return script;
}

TEST(FaultChecker, FindsNothingWrongInAGoodRun) {
  const Verdict verdict = good().judge();
  EXPECT_TRUE(verdict.holds()) << verdict.text();
  EXPECT_EQ(verdict.attempted, 2);
  EXPECT_EQ(verdict.acknowledged, 2);
  EXPECT_EQ(verdict.handled, 2);
  EXPECT_EQ(verdict.runs, 3);
  EXPECT_EQ(verdict.explained.at("retry"), 1);
}

TEST(FaultChecker, FindsWhatWasLost) {
  const Verdict verdict = good().produced(3).judge();
  EXPECT_EQ(verdict.lost, 1);
  EXPECT_FALSE(verdict.holds());
}

TEST(FaultChecker, FindsWhatWasBegunAndNeverEnded) {
  EXPECT_EQ(good().produced(3).begins(3, 5).judge().lost, 1);
}

TEST(FaultChecker, ADeadLetterIsNotLost) {
  Script script = good().produced(3);
  script.facts.dead.push_back({3, 7});
  const Verdict verdict = script.judge();
  EXPECT_TRUE(verdict.holds()) << verdict.text();
  EXPECT_EQ(verdict.dead, 1);
}

TEST(FaultChecker, FindsWhatIsStuck) {
  Script script = good().produced(3);
  script.facts.rest.push_back({3, 7});
  const Verdict verdict = script.judge();
  EXPECT_EQ(verdict.stuck, 1);
  EXPECT_EQ(verdict.lost, 0);
  EXPECT_FALSE(verdict.holds());
}

TEST(FaultChecker, FindsWhatNobodyProduced) {
  EXPECT_EQ(good().begins(9, 5).ends(9, 5).judge().unexpected, 1);
  Script dead = good();
  dead.facts.dead.push_back({9, 7});
  EXPECT_EQ(dead.judge().unexpected, 1);
  EXPECT_EQ(good().ends(1, 6).judge().unexpected, 1) << "an end without a beginning";
}

TEST(FaultChecker, FindsGhosts) {
  Script script = good();
  script.add(Op::produce_begins, 3).add(Op::refused, 3);
  EXPECT_TRUE(script.judge().holds());
  EXPECT_EQ(script.judge().refused, 1);
  script.begins(3, 5).ends(3, 5);
  EXPECT_EQ(script.judge().ghost, 1);
  EXPECT_FALSE(script.judge().holds());
}

TEST(FaultChecker, AnUnknownOutcomeMayBeHandledOrNot) {
  Script script = good();
  script.add(Op::produce_begins, 3).add(Op::unknown, 3);
  EXPECT_TRUE(script.judge().holds());
  script.begins(3, 5).ends(3, 5);
  const Verdict verdict = script.judge();
  EXPECT_TRUE(verdict.holds()) << verdict.text();
  EXPECT_EQ(verdict.unknown, 1);
  EXPECT_EQ(verdict.recovered, 1);
  // Refused only after it had become unknown: no ghost.
  script.add(Op::produce_begins, 3).add(Op::refused, 3);
  EXPECT_EQ(script.judge().ghost, 0);
}

TEST(FaultChecker, FindsARunThatNoFaultExplains) {
  const Verdict again = good().begins(1, 6).ends(1, 6).judge();
  EXPECT_EQ(again.unexplained, 1) << "the same delivery twice";
  const Verdict lease = good().begins(1, 6, 1, 1).ends(1, 6, 1, 1).judge();
  EXPECT_EQ(lease.unexplained, 1) << "a lease lost without a fault";
  const Verdict attempt = good().begins(1, 6, 2).ends(1, 6, 2).judge();
  EXPECT_EQ(attempt.unexplained, 1) << "an attempt counted that had not failed";
  EXPECT_FALSE(attempt.holds());
}

TEST(FaultChecker, ADeadWorkerExplainsARunAndAnotherOnesDeathDoesNot) {
  Script script;
  script.produced(1).begins(1, 5).fault(Op::fault_begins, Fault::kill_worker, 5);
  script.begins(1, 6, 1, 1).ends(1, 6, 1, 1);
  const Verdict verdict = script.judge();
  EXPECT_TRUE(verdict.holds()) << verdict.text();
  EXPECT_EQ(verdict.explained.at("kill worker"), 1);
  EXPECT_EQ(verdict.longest_redelivery, 1ms);

  Script other;
  other.produced(1).begins(1, 5).fault(Op::fault_begins, Fault::kill_worker, 77);
  other.begins(1, 6, 1, 1).ends(1, 6, 1, 1);
  EXPECT_EQ(other.judge().unexplained, 1);
}

TEST(FaultChecker, AFaultThatCostsNoLeaseExplainsNothing) {
  Script script;
  script.produced(1).begins(1, 5).fault(Op::fault_begins, Fault::cut);
  script.fault(Op::fault_ends, Fault::cut).begins(1, 6, 1, 1).ends(1, 6, 1, 1);
  EXPECT_EQ(script.judge().unexplained, 1);
}

TEST(FaultChecker, AFaultOfLongAgoExplainsNothing) {
  Script script;
  script.fault(Op::fault_begins, Fault::stall).fault(Op::fault_ends, Fault::stall);
  script.produced(1).begins(1, 5).begins(1, 6, 1, 1).ends(1, 6, 1, 1);
  EXPECT_EQ(script.judge().unexplained, 0) << "within a lease";
  Rules rules;
  rules.lease = 1ms;
  EXPECT_EQ(script.judge(rules).unexplained, 1);
}

TEST(FaultChecker, AMachineThatStoodStillExplainsARun) {
  for (const std::uint64_t stood : {100'000'000U, 400'000'000U}) {
    Script script;
    script.produced(1).begins(1, 5).add(Op::stood_still, 0);
    script.last().id = 5;
    script.last().value = stood;
    script.begins(1, 6, 1, 1).ends(1, 6, 1, 1);
    EXPECT_EQ(script.judge().unexplained, stood < 250'000'000U ? 1 : 0) << "a quarter of a lease";
  }
}

TEST(FaultChecker, FindsTwins) {
  Script script = good();
  script.begins(1, 6).ends(1, 6);
  for (auto& each : script.facts.records)
    if (each.pid == 6) each.id = 4711;
  EXPECT_EQ(script.judge().unexplained, 1);
  script.add(Op::produce_begins, 1);
  EXPECT_EQ(script.judge().unexplained, 0) << "it was produced twice";
}

TEST(FaultChecker, FindsOverlap) {
  Script script;
  script.produced(1).begins(1, 5).begins(1, 6, 2).ends(1, 6, 2);
  script.ends(1, 5, 1, 0, Outcome::thrown);
  const Verdict verdict = script.judge();
  EXPECT_EQ(verdict.overlap, 1);
  EXPECT_FALSE(verdict.holds());
}

TEST(FaultChecker, ALostLeaseMayOverlap) {
  Script script;
  script.produced(1).begins(1, 5).fault(Op::fault_begins, Fault::pause_worker, 5);
  script.begins(1, 6, 1, 1).fault(Op::fault_ends, Fault::pause_worker, 5);
  script.ends(1, 5).ends(1, 6, 1, 1);
  const Verdict verdict = script.judge();
  EXPECT_TRUE(verdict.holds()) << verdict.text();
}

TEST(FaultChecker, FindsZombies) {
  Script older;
  older.produced(1).fault(Op::fault_begins, Fault::kill_worker, 99);
  older.begins(1, 6, 1, 1).ends(1, 6, 1, 1).begins(1, 5).ends(1, 5);
  EXPECT_EQ(older.judge().zombie, 1) << "an older delivery began after a newer one";

  Script settled = good();
  settled.grant(Op::granted, 1, 1).grant(Op::granted, 1, 2).grant(Op::settled, 1, 1);
  EXPECT_EQ(settled.judge().zombie, 1) << "the older grant was acknowledged";
  Script newest = good();
  newest.grant(Op::granted, 1, 1).grant(Op::granted, 1, 2).grant(Op::settled, 1, 2);
  EXPECT_TRUE(newest.judge().holds());
}

TEST(FaultChecker, AProcessThatWasPausedBeforeItsFirstLineIsNoZombie) {
  Script script;
  script.produced(1).fault(Op::fault_begins, Fault::pause_worker, 5);
  script.begins(1, 6, 1, 1).fault(Op::fault_ends, Fault::pause_worker, 5);
  script.begins(1, 5).ends(1, 5).ends(1, 6, 1, 1);
  const Verdict verdict = script.judge();
  EXPECT_TRUE(verdict.holds()) << verdict.text();
  EXPECT_EQ(verdict.explained.at("late beginning"), 1);
}

TEST(FaultChecker, FindsCorruption) {
  Script run = good();
  run.facts.records[2].crc = 8;
  EXPECT_EQ(run.judge().corrupt, 1);
  EXPECT_FALSE(run.judge().holds());
  Script dead = good().produced(3);
  dead.facts.dead.push_back({3, 8});
  EXPECT_EQ(dead.judge().corrupt, 1);
}

TEST(FaultChecker, FindsWhatTheAuditFound) {
  Script script = good();
  script.facts.audits.push_back("jobs: twice=1");
  EXPECT_EQ(script.judge().conservation, 1);
  EXPECT_FALSE(script.judge().holds());
}

TEST(FaultChecker, FindsLeakedFiles) {
  Script script = good().add(Op::started, 0, 5);
  script.last().value = 10;
  script.add(Op::ended, 0, 5);
  script.last().value = 10;
  EXPECT_TRUE(script.judge().holds());
  script.last().value = 11;
  EXPECT_EQ(script.judge().leaks, 1);
  EXPECT_FALSE(script.judge().holds());
}

TEST(FaultChecker, FindsThatNothingWasShown) {
  Rules rules;
  rules.must_see = {"kill worker", "NOSCRIPT"};
  Script script = good();
  EXPECT_EQ(script.judge(rules).not_seen.size(), 2u);
  EXPECT_FALSE(script.judge(rules).holds());
  script.fault(Op::fault_begins, Fault::kill_worker, 99);
  script.facts.seen["NOSCRIPT"] = 0;
  EXPECT_EQ(script.judge(rules).not_seen, std::vector<std::string>{"NOSCRIPT"});
  script.facts.seen["NOSCRIPT"] = 3;
  EXPECT_TRUE(script.judge(rules).holds()) << script.judge(rules).text();
}

TEST(FaultChecker, APowerCutExcusesOnlyWhatWasAcknowledgedShortlyBefore) {
  const auto cut_after = [](std::chrono::nanoseconds time) {
    Script script = good().produced(3);
    script.fault(Op::fault_begins, Fault::power_cut);
    script.last().at += static_cast<std::uint64_t>(time.count());
    script.fault(Op::fault_ends, Fault::power_cut);
    script.last().at += static_cast<std::uint64_t>(time.count());
    Rules rules;
    rules.forgets = 2s;
    return script.judge(rules);
  };
  EXPECT_EQ(cut_after(1s).lost, 0);
  EXPECT_EQ(cut_after(1s).forgotten, 1);
  EXPECT_EQ(cut_after(3s).lost, 1);
  Script strict = good().produced(3);
  strict.fault(Op::fault_begins, Fault::power_cut);
  EXPECT_EQ(strict.judge().lost, 1) << "where nothing may be forgotten";
}

TEST(FaultChecker, ARollbackExplainsTheSameDeliveryAgain) {
  Script script;
  script.produced(1).begins(1, 5).ends(1, 5);
  script.fault(Op::fault_begins, Fault::power_cut).fault(Op::fault_ends, Fault::power_cut);
  script.begins(1, 6).ends(1, 6);
  const Verdict verdict = script.judge();
  EXPECT_TRUE(verdict.holds()) << verdict.text();
  EXPECT_EQ(verdict.explained.at("rollback"), 1);
}

TEST(FaultLedger, KeepsWhatWasWrittenAndRefusesWhatWasDamaged) {
  const std::string directory = ::testing::TempDir() + "/fault-ledger-" + std::to_string(getpid());
  std::filesystem::create_directory(directory);
  const std::string path = directory + "/a.ledger";
  {
    const Ledger ledger(path);
    for (std::uint64_t key = 0; key < 3; ++key) {
      Record record;
      record.op = Op::produced;
      record.key = key;
      ledger.write(record);
    }
  }
  auto records = read_ledgers(directory);
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(records[2].key, 2u);
  EXPECT_EQ(records[2].pid, static_cast<std::uint32_t>(getpid()));
  EXPECT_LE(records[0].at, records[2].at);
  std::ofstream(path, std::ios::app) << "half a record";
  EXPECT_EQ(read_ledger(path).size(), 3u) << "what a crash cut short";
  std::fstream damage(path, std::ios::in | std::ios::out);
  damage.seekp(50);
  damage.put('x');
  damage.close();
  EXPECT_THROW(read_ledger(path), std::runtime_error);
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace mx_rmq::faults
