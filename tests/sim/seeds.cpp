#include "seeds.hpp"

#include <cstdio>

namespace mx_rmq::sim {

using Watch = std::chrono::steady_clock;

void Tally::add(const Outcome& outcome) {
  ++seeds;
  messages += outcome.messages;
  accepted += outcome.accepted;
  starts += outcome.starts;
  commands += outcome.commands;
  events += outcome.events;
  virtual_seconds += outcome.virtual_seconds;
  for (const auto& [what, times] : outcome.sightings) sightings[what] += times;
}

void Tally::print() const {
  const auto n = static_cast<double>(seeds);
  std::printf(
      "%llu seeds in %.1f s, %.0f a minute; %llu messages, %llu runs of handlers, %llu commands, "
      "%.0f hours\n",
      static_cast<unsigned long long>(seeds), seconds, n / seconds * 60,
      static_cast<unsigned long long>(messages), static_cast<unsigned long long>(starts),
      static_cast<unsigned long long>(commands), virtual_seconds / 3600);
  std::string line;
  for (const auto& [what, times] : sightings) {
    line += (line.empty() ? "" : ", ") + what + " " + std::to_string(times);
  }
  std::printf("%s\n", line.c_str());
}

std::string Failure::text() const {
  char at[32];
  std::snprintf(at, sizeof at, "%.6f",
                std::chrono::duration<double>(violation.at.time_since_epoch()).count());
  return violation.rule + " at " + at + " s: " + violation.what + "\n  " + plan +
         "\n  to see it: test_sim --seed " + std::to_string(seed) + " --trace";
}

std::optional<Failure> run_seeds(std::uint64_t first, std::uint64_t most,
                                 std::optional<std::chrono::milliseconds> budget, Tally& tally) {
  const auto began = Watch::now();
  std::optional<Failure> failure;
  LuaHost lua;
  for (std::uint64_t i = 0; i < most && !failure; ++i) {
    if (budget && Watch::now() - began >= *budget) break;
    Simulation world(Plan::draw(first + i), lua, {});
    Outcome outcome = world.run();
    tally.add(outcome);
    if (outcome.violation) failure = Failure{first + i, *outcome.violation, outcome.plan};
  }
  tally.seconds += std::chrono::duration<double>(Watch::now() - began).count();
  return failure;
}

std::string trace_of(std::uint64_t seed) {
  std::string out;
  LuaHost lua;
  Simulation world(Plan::draw(seed), lua,
                   [&out](const std::string& line) { out.append(line).append("\n"); });
  const Outcome outcome = world.run();
  out += outcome.plan + "\n";
  if (outcome.violation) out += Failure{seed, *outcome.violation, outcome.plan}.text() + "\n";
  return out;
}

}  // namespace mx_rmq::sim
