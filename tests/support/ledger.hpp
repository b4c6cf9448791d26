// The ledgers of a fault test: files of records, one a process, that outlive its SIGKILL.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "support/record.hpp"

namespace mx_rmq::test {

// Appends records to a file, each by one write(): what was written before a SIGKILL is there. Any
// thread. Throws std::runtime_error if the file cannot be opened; a failed write ends the process,
// since a test that cannot see is none.
class Ledger {
 public:
  explicit Ledger(const std::string& path);
  ~Ledger();
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  // Fills in time, pid (unless set) and check.
  void write(Record record) const;

 private:
  int file_ = -1;
};

// The records of one file. A last record that is not whole is left out; any other damage throws.
std::vector<Record> read_ledger(const std::string& path);
// Those of all files of a directory that end in ".ledger", in the order of time.
std::vector<Record> read_ledgers(const std::string& directory);

std::uint64_t monotonic_ns();
std::uint32_t crc32(std::string_view bytes);
std::uint64_t hash64(std::string_view bytes);

}  // namespace mx_rmq::test
