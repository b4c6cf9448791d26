// Follows a ledger that a process is still writing: how many records of each kind there are.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include "faults/support.hpp"

namespace mx_rmq::faults {

class LedgerTail {
 public:
  explicit LedgerTail(std::string path) : path_(std::move(path)) {}

  // Of all written so far.
  std::int64_t count(Op op);
  std::int64_t count(Op op, Outcome outcome);
  // How often the process said that it begins a fault itself.
  std::int64_t count(Fault fault);

 private:
  void read_on();

  std::string path_;
  std::uint64_t offset_ = 0;
  std::array<std::array<std::int64_t, 4>, 256> counts_{};
  std::array<std::int64_t, 256> faults_{};
};

}  // namespace mx_rmq::faults
