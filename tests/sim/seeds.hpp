// Runs seeds and adds up what happened in them.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "simulation.hpp"

namespace mx_rmq::sim {

struct Tally {
  std::uint64_t seeds = 0;
  std::uint64_t messages = 0;
  std::uint64_t accepted = 0;
  std::uint64_t starts = 0;
  std::uint64_t commands = 0;
  std::uint64_t events = 0;
  double virtual_seconds = 0;
  double seconds = 0;
  Sightings sightings;

  void add(const Outcome& outcome);
  void print() const;
};

struct Failure {
  std::uint64_t seed = 0;
  Violation violation;
  std::string plan;

  // What is wrong, and how to see it again.
  std::string text() const;
};

// Runs seeds from `first` on, at most `most` and for about `budget`; the first one that breaks a
// rule.
std::optional<Failure> run_seeds(std::uint64_t first, std::uint64_t most,
                                 std::optional<std::chrono::milliseconds> budget, Tally& tally);

// Everything that happens with a seed, a line each.
std::string trace_of(std::uint64_t seed);

}  // namespace mx_rmq::sim
