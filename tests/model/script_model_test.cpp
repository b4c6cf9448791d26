// Random sequences of all scripts against a plain C++ model.
//   MX_RMQ_MODEL_OPS   operations in all (default 200,000; 20,000 under a sanitizer)
//   MX_RMQ_MODEL_SEED  only this seed
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "lockstep.hpp"

namespace mx_rmq::test {
namespace {

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* const value = std::getenv(name);
  return value == nullptr ? otherwise : std::stoull(value);
}

constexpr std::size_t ops_a_run = 400;

TEST(ScriptModel, RepliesAndStatesAreThoseOfThePlainModel) {
  ScriptServer server;
  const std::uint64_t ops = from_environment("MX_RMQ_MODEL_OPS", sanitized ? 20'000 : 200'000);
  const std::uint64_t only = from_environment("MX_RMQ_MODEL_SEED", 0);
  Tally tally;
  const std::uint64_t runs = only != 0 ? 1 : ops / ops_a_run;
  for (std::uint64_t i = 0; i < runs; ++i) {
    const std::uint64_t seed = only != 0 ? only : i + 1;
    const auto wrong = run_lockstep(server, seed, ops_a_run, only != 0 ? 1 : 40, &tally);
    if (wrong) FAIL() << report(server, *wrong);
  }
  if (ops < 100'000 || only != 0) return;
  // A run that has not seen these shows nothing.
  for (const auto& [name, source] : script_sources()) EXPECT_GT(tally.scripts[name], 200U) << name;
  for (const char* kind :
       {"produce again",   "claim lost",         "tend lost",      "ack lost",
        "retry lost",      "dead lost",          "release lost",   "suspect lost",
        "reap gone",       "reap alive",         "reap ok",        "cancel n",
        "requeue ok",      "requeue unreadable", "forget gone",    "forget used",
        "forget lapsed",   "audit changed",      "audit large",    "produce stale",
        "settings wrong",  "claim paused",       "suspect paused", "configure ok",
        "configure other", "configure refused",  "configure wrong"}) {
    EXPECT_GT(tally.replies[kind], 20U) << kind;
  }
  for (const char* event :
       {"produced", "duplicates", "completed", "retried", "dead", "dropped", "expired", "cancelled",
        "discarded", "lease_lost", "recovered", "requeued", "removed", "woken"}) {
    EXPECT_GT(tally.events[event], 200) << event;
  }
}

}  // namespace
}  // namespace mx_rmq::test
