// The client's own code in simulated worlds: nothing may be lost, doubled, stuck or late.
//
//   test_sim --seed N --trace     one seed, everything that happens in it
//   test_sim --seconds N          as many random seeds as that takes
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>

#include "mx_rmq/log.hpp"
#include "seeds.hpp"
#include "support/build_kind.hpp"

namespace mx_rmq::sim {
namespace {

constexpr std::uint64_t no_bound = UINT64_MAX;

std::uint64_t random_seed() {
  std::random_device device;
  return (std::uint64_t{device()} << 20) ^ device();
}

TEST(Simulation, KeepsEveryRuleWithFixedSeeds) {
  Tally tally;
  const auto failure = run_seeds(1, test::scaled<std::uint64_t>(2500), {}, tally);
  EXPECT_FALSE(failure.has_value()) << failure->text();
  tally.print();
  if (failure || !test::optimized) return;
  // A world in which nothing goes wrong would prove nothing.
  for (const char* const what : {"crash",
                                 "cancelled",
                                 "claim lost",
                                 "clock step",
                                 "cut",
                                 "cut in a reply",
                                 "cut in a write",
                                 "dead expired",
                                 "dead poison",
                                 "dead rejected",
                                 "dead retries",
                                 "duplicate",
                                 "error NOSCRIPT",
                                 "failover",
                                 "flush",
                                 "given back",
                                 "given back by tend",
                                 "hold",
                                 "interrupted",
                                 "late",
                                 "lost by failover",
                                 "pause",
                                 "produce again",
                                 "produce rejected",
                                 "produce unknown",
                                 "recovered",
                                 "refusal",
                                 "restart",
                                 "retry",
                                 "script suspect",
                                 "server pause",
                                 "silence",
                                 "stop",
                                 "swallowed ack",
                                 "swallowed claim",
                                 "swallowed produce",
                                 "swallowed tend",
                                 "wall clocks set"}) {
    EXPECT_GT(tally.sightings[what], 0U) << what << " did not happen";
  }
}

TEST(Simulation, KeepsEveryRuleWithRandomSeeds) {
  Tally tally;
  const std::uint64_t first = random_seed();
  std::printf("from seed %llu on\n", static_cast<unsigned long long>(first));
  const auto failure = run_seeds(first, test::scaled<std::uint64_t>(1500), {}, tally);
  EXPECT_FALSE(failure.has_value()) << failure->text();
  tally.print();
}

// A produce call ends unanswered, the last thing of all, and what it had written arrives after
// that.
TEST(Simulation, DoesNotEndWhileSomethingIsOnItsWay) {
  Tally tally;
  EXPECT_FALSE(run_seeds(392615017629192, 1, {}, tally).has_value());
}

TEST(Simulation, RepeatsASeedExactly) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const std::string once = trace_of(seed);
    EXPECT_GT(once.size(), 1000U);
    EXPECT_TRUE(once == trace_of(seed)) << "seed " << seed;
  }
}

int run_one(std::uint64_t seed, bool trace) {
  const std::string text = trace_of(seed);
  if (trace) {
    std::printf("%s", text.c_str());
    return 0;
  }
  Tally tally;
  const auto failure = run_seeds(seed, 1, {}, tally);
  std::printf("%s\n", failure ? failure->text().c_str() : "every rule was kept");
  tally.print();
  return failure ? 1 : 0;
}

int run_for(std::chrono::seconds budget) {
  Tally tally;
  const auto failure = run_seeds(random_seed(), no_bound, budget, tally);
  if (failure) std::printf("%s\n", failure->text().c_str());
  tally.print();
  return failure ? 1 : 0;
}

}  // namespace
}  // namespace mx_rmq::sim

int main(int argc, char** argv) {
  mx_rmq::silence_log();
  ::testing::InitGoogleTest(&argc, argv);
  bool trace = false;
  const char* seed = nullptr;
  const char* seconds = nullptr;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--trace") == 0) trace = true;
    if (i + 1 < argc && std::strcmp(argv[i], "--seed") == 0) seed = argv[i + 1];
    if (i + 1 < argc && std::strcmp(argv[i], "--seconds") == 0) seconds = argv[i + 1];
  }
  if (seed != nullptr) return mx_rmq::sim::run_one(std::strtoull(seed, nullptr, 10), trace);
  if (seconds != nullptr) return mx_rmq::sim::run_for(std::chrono::seconds(std::atoi(seconds)));
  return RUN_ALL_TESTS();
}
