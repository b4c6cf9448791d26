// Are the model test's comparisons sharp enough? Each bug in the table must be found.
//   MX_RMQ_MODEL_MUTANTS  only those whose name begins with this
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "lockstep.hpp"
#include "mutants.hpp"

namespace mx_rmq::test {
namespace {

TEST(ScriptModel, FindsEveryPlantedBug) {
  ScriptServer server;
  const char* const only = std::getenv("MX_RMQ_MODEL_MUTANTS");
  std::size_t found = 0;
  std::size_t planted = 0;
  for (std::size_t i = 0; i < state_mutants().size(); i += sanitized ? 9 : 1) {
    const Mutation& mutant = state_mutants()[i];
    if (only != nullptr && !mutant.name.starts_with(only)) continue;
    ++planted;
    ASSERT_NO_THROW(server.load(mutant)) << mutant.name;
    std::uint64_t seed = 1;
    std::optional<Divergence> wrong;
    // What is drawn differs by compiler: the rarest took 554 runs with one, 120 with another.
    for (; seed <= 3000 && !wrong; ++seed) wrong = run_lockstep(server, seed, 400, 40);
    EXPECT_TRUE(wrong.has_value()) << "not found: " << mutant.name;
    if (!wrong) continue;
    ++found;
    std::printf("%-66s seed %3llu, operation %3zu\n", mutant.name.c_str(),
                static_cast<unsigned long long>(wrong->seed), wrong->at);
  }
  std::printf("%zu of %zu planted bugs found\n", found, planted);
}

}  // namespace
}  // namespace mx_rmq::test
