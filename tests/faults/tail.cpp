#include "faults/tail.hpp"

#include <fstream>
#include <vector>

namespace mx_rmq::faults {

void LedgerTail::read_on() {
  std::ifstream file(path_, std::ios::binary);
  if (!file) return;  // not begun yet
  file.seekg(static_cast<std::streamoff>(offset_));
  std::vector<Record> records(1024);
  for (;;) {
    file.read(reinterpret_cast<char*>(records.data()),
              static_cast<std::streamsize>(records.size() * sizeof(Record)));
    const auto whole = static_cast<std::size_t>(file.gcount()) / sizeof(Record);
    for (std::size_t i = 0; i < whole; ++i) {
      if (records[i].op == Op::fault_begins) ++faults_[records[i].key & 255];
      ++counts_[static_cast<std::size_t>(records[i].op)]
               [static_cast<std::size_t>(records[i].outcome) & 3];
    }
    offset_ += whole * sizeof(Record);
    if (whole < records.size()) return;
  }
}

std::int64_t LedgerTail::count(Op op) {
  read_on();
  std::int64_t sum = 0;
  for (const auto each : counts_[static_cast<std::size_t>(op)]) sum += each;
  return sum;
}

std::int64_t LedgerTail::count(Op op, Outcome outcome) {
  read_on();
  return counts_[static_cast<std::size_t>(op)][static_cast<std::size_t>(outcome)];
}

std::int64_t LedgerTail::count(Fault fault) {
  read_on();
  return faults_[static_cast<std::size_t>(fault)];
}

}  // namespace mx_rmq::faults
