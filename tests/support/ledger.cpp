#include "support/ledger.hpp"

#include <fstream>
#include <sstream>

namespace mx_rmq::test {

std::vector<LedgerEntry> read_ledger(const std::string& path) {
  std::ifstream file(path);
  std::stringstream whole;
  whole << file.rdbuf();
  std::vector<LedgerEntry> entries;
  std::string line;
  while (std::getline(whole, line)) {
    if (whole.eof()) break;  // not ended yet
    std::istringstream fields(line);
    LedgerEntry entry;
    if (fields >> entry.what >> entry.n >> entry.pid) entries.push_back(entry);
  }
  return entries;
}

std::map<std::int64_t, Runs> runs_of(const std::vector<LedgerEntry>& ledger) {
  std::map<std::int64_t, Runs> runs;
  for (const auto& entry : ledger) {
    Runs& one = runs[entry.n];
    if (entry.what == 'S') one.begun.push_back(entry.pid);
    if (entry.what == 'E') ++one.ended;
  }
  return runs;
}

}  // namespace mx_rmq::test
