// What worker processes wrote down about their runs.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace mx_rmq::test {

struct LedgerEntry {
  char what = 0;  // S: a run began, E: it ended
  std::int64_t n = 0;
  int pid = 0;
};

// Lines "S <n> <pid>" and "E <n> <pid>", in the order they were written. A last line without its end is left
// out.
std::vector<LedgerEntry> read_ledger(const std::string& path);

// Begun runs and ended runs by message.
struct Runs {
  std::vector<int> begun;  // pids
  int ended = 0;
};
std::map<std::int64_t, Runs> runs_of(const std::vector<LedgerEntry>& ledger);

}  // namespace mx_rmq::test
