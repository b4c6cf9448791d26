// All faults at once, the small run. `scripts/faults` does the long one.
#include "faults/mix.hpp"

#include <gtest/gtest.h>

#include "faults/arena.hpp"
#include "support/build_kind.hpp"

namespace mx_rmq::faults {
namespace {

TEST(FaultsK, K4_every_message_outlives_a_mix_of_all_faults) {
  MixOptions options;
  options.name = "K4 mix of all faults";
  options.messages = test::scaled<std::int64_t>(30'000);
  options.seed = seed_of_run();
  const Verdict verdict = run_mix(options);
  EXPECT_TRUE(verdict.holds()) << verdict.text();
  EXPECT_GE(verdict.acknowledged, options.messages);
}

}  // namespace
}  // namespace mx_rmq::faults
