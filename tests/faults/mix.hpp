// Faults of all kinds at once, drawn by a seed: which are about changes every few seconds, each has
// its turn, and several meet.
#pragma once

#include <cstdint>
#include <string>

#include "faults/checker.hpp"

namespace mx_rmq::faults {

struct MixOptions {
  std::string name = "mix of all faults";
  std::int64_t messages = 0;  // that must be acknowledged
  std::uint64_t seed = 0;
  int concurrency = 60;  // produce calls under way at once, of each of two producers
};

// Produces, works and injects until so many messages were acknowledged and every fault was injected
// at least once; heals, drains and judges. On a server of its own, appendfsync always.
Verdict run_mix(MixOptions options);

}  // namespace mx_rmq::faults
