// The part of the checker that looks at one message's runs: why each after the first came.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "faults/checker.hpp"
#include "faults/support.hpp"

namespace mx_rmq::faults {

// Something that happened to a process (0: to all) for a while.
struct Trouble {
  std::string_view name;
  std::uint64_t pid = 0;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  bool costs_lease = false;
  bool rolls_back = false;
};

// All injected and observed troubles of a run, and when each process died.
class Troubles {
 public:
  Troubles(const std::vector<Record>& records, std::uint64_t lease_ns);

  // A trouble that can have cost `pid` (0: anyone) its lease between two times; null if there is
  // none.
  [[nodiscard]] const Trouble* lease_loss(std::uint64_t pid, std::uint64_t from,
                                          std::uint64_t to) const;
  [[nodiscard]] const Trouble* rollback(std::uint64_t from, std::uint64_t to) const;
  [[nodiscard]] bool stopped(std::uint32_t pid, std::uint64_t from, std::uint64_t to) const;
  // When the process ended, however; the end of time if it did not.
  [[nodiscard]] std::uint64_t end_of(std::uint32_t pid) const;
  [[nodiscard]] const std::map<std::string, std::int64_t>& counts() const { return counts_; }

 private:
  void add(Trouble trouble);

  std::uint64_t lease_ns_;
  std::vector<Trouble> all_;               // by begin
  std::vector<std::uint64_t> latest_end_;  // of all_[0..i]
  std::map<std::uint32_t, std::uint64_t> ends_;
  std::map<std::string, std::int64_t> counts_;
};

struct Run {
  std::uint32_t pid = 0;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;  // or when its process ended
  bool ended = false;
  Outcome outcome = Outcome::none;
  std::uint16_t attempt = 0;
  std::uint16_t recoveries = 0;
  std::uint64_t id = 0;

  [[nodiscard]] std::uint32_t fence() const { return std::uint32_t{attempt} + recoveries; }
};

// Of one message: adds to the verdict's explained, unexplained, overlap, zombie and
// longest_redelivery. `runs` in the order of their beginnings; `produced` = how often a produce
// call of it was begun.
void judge_runs(std::uint64_t key, const std::vector<Run>& runs, int produced,
                const Troubles& troubles, Verdict& verdict);

// Keeps the first few of each kind.
void example(Verdict& verdict, const std::string& what, std::uint64_t key,
             const std::string& detail);

}  // namespace mx_rmq::faults
