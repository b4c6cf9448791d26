// What must hold of a run with faults, counted from its ledgers.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>
#include "faults/support.hpp"

namespace mx_rmq::faults {

// A message that the server has at the end: a dead letter, or one that still waits or is held.
struct Left {
  std::uint64_t key = 0;
  std::uint32_t crc = 0;
};

// Everything that is known about a run.
struct Facts {
  std::vector<Record> records;  // in the order of time; the server's own history in its order
  std::vector<Left> dead;
  std::vector<Left> rest;
  // What each audit found wrong, taken during the run and at its end.
  std::vector<std::string> audits;
  // How often each kind of thing was seen, by name; the injected faults are added by check().
  std::map<std::string, std::int64_t> seen;
};

struct Rules {
  std::chrono::nanoseconds lease{0};
  // What was acknowledged no longer than this before the server rolled back may be lost.
  std::chrono::nanoseconds forgets{0};
  // Names that must have been seen, or the run has shown nothing.
  std::vector<std::string> must_see;
};

struct Verdict {
  // Messages, each counted once.
  std::int64_t attempted = 0;     // A
  std::int64_t acknowledged = 0;  // K
  std::int64_t refused = 0;       // F
  std::int64_t unknown = 0;       // U = A - K - F
  std::int64_t handled = 0;       // H
  std::int64_t dead = 0;          // D
  std::int64_t runs = 0;
  std::int64_t recovered = 0;  // handled though the producer was not told so
  std::int64_t forgotten = 0;  // lost within Rules::forgets

  // Each of these must be 0.
  std::int64_t lost = 0;
  std::int64_t stuck = 0;
  std::int64_t unexpected = 0;
  std::int64_t ghost = 0;
  std::int64_t unexplained = 0;  // runs beyond the first that no fault explains, and twins
  std::int64_t overlap = 0;
  std::int64_t zombie = 0;
  std::int64_t corrupt = 0;
  std::int64_t conservation = 0;
  std::int64_t leaks = 0;  // processes that ended with more open files than they began with
  std::vector<std::string> not_seen;  // of Rules::must_see

  std::map<std::string, std::int64_t> explained;  // runs beyond the first, by reason
  std::map<std::string, std::int64_t> seen;
  std::chrono::nanoseconds longest_gap{0};         // between the beginnings of runs
  std::chrono::nanoseconds longest_redelivery{0};  // from a worker's death to the next run
  std::vector<std::string> examples;               // of what must not be: the first few of each

  [[nodiscard]] bool holds() const;
  [[nodiscard]] std::int64_t explained_total() const;
  // One line a figure.
  [[nodiscard]] std::string text() const;
};

Verdict check(const Facts& facts, const Rules& rules);

}  // namespace mx_rmq::faults
