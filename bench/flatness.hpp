// Whether a cost stays the same from one variant of a scenario to the next. Machines vary by more
// than what is looked for, from one second to the next. So each variant is measured beside a
// reference in many short passes, and only what it is of the reference next to it counts.
#pragma once

#include <string>
#include <vector>

#include "passes.hpp"

namespace bench {

// One variant: passes of the reference, the library and the limit in turn, five times as many as
// rounds are asked for.
struct FlatVariant {
  std::vector<Round> reference;
  std::vector<Round> library;
  std::vector<Round> limit;
};
FlatVariant measure_flat(Bench& bench, long messages, const Pass& reference, const Pass& library,
                         const Pass& limit);

// Collects what each variant costs of the reference. The first variant should be the reference
// itself: how far it is from 1 tells what the figures are worth.
class Flatness {
 public:
  // Also adds what the variant costs of the reference to its row.
  void add(Row& row, const FlatVariant& variant);
  // A target for Redis's CPU and one for the time a message takes.
  void judge(Section& section, const std::string& range, double most) const;

 private:
  std::vector<double> redis_cpu_;
  std::vector<double> time_;
};

}  // namespace bench
