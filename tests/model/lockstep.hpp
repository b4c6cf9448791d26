// Runs the server and the model side by side and tells where they differ.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bench.hpp"

namespace mx_rmq::test {

struct Divergence {
  std::uint64_t seed = 0;
  std::size_t at = 0;  // which operation
  std::string what;
  std::vector<ScriptOp> trace;  // the operations up to it
};

struct Tally {
  std::size_t ops = 0;
  std::map<std::string, std::size_t> scripts;  // calls of each
  std::map<std::string, std::size_t> replies;  // of each kind: "claim lost", "produce again", ...
  std::map<std::string, std::int64_t> events;  // the sums of the counters that the scripts kept
};

// Draws `ops` operations from `seed` and runs them on an emptied server and a new model; compares
// every reply, and every `interval` operations and at the end the whole state, and that each
// accepted message is in exactly one place.
std::optional<Divergence> run_lockstep(ScriptServer& server, std::uint64_t seed, std::size_t ops,
                                       std::size_t interval, Tally* tally = nullptr);

// Runs a recorded trace; the state is compared after each operation.
std::optional<Divergence> replay(ScriptServer& server, const std::vector<ScriptOp>& trace);

// A smaller trace that still differs, found by leaving out operations, within `limit`.
std::vector<ScriptOp> shrink(ScriptServer& server, std::vector<ScriptOp> trace,
                             std::chrono::milliseconds limit);

// What to print: the seed, the difference and the shrunk trace.
std::string report(ScriptServer& server, const Divergence& divergence);

}  // namespace mx_rmq::test
