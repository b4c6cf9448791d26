#include "worker/retry_policy.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace mx_rmq::worker {
namespace {

using namespace std::chrono_literals;
using Kind = Outcome::Kind;

constexpr std::int64_t now = 1'000'000;
constexpr std::int64_t never = 999'999'999'999;

Policy policy() {
  Policy made;
  made.max_retries = 3;
  made.retry_delays = {100ms, 200ms};
  return made;
}

Outcome outcome(Kind kind, std::chrono::milliseconds delay = 0ms) {
  Outcome made;
  made.kind = kind;
  made.delay = delay;
  return made;
}

Past after(int failures, int interruptions = 0, std::int64_t expire_at = never) {
  Past made;
  made.failures = failures;
  made.interruptions = interruptions;
  made.expire_at = expire_at;
  return made;
}

TEST(Decide, ARunThatReturnedIsAcknowledgedWhateverWentBefore) {
  for (const int failures : {0, 3, 50})
    EXPECT_EQ(decide(policy(), outcome(Kind::done), after(failures, 0, now - 1), now).ending,
              Ending::ack);
}

TEST(Decide, DelaysFollowTheListAndTheLastOneRepeats) {
  const std::chrono::milliseconds expected[] = {100ms, 200ms, 200ms};
  for (int failures = 0; failures < 3; ++failures) {
    const Decision decision = decide(policy(), outcome(Kind::failed), after(failures), now);
    EXPECT_EQ(decision.ending, Ending::retry);
    EXPECT_EQ(decision.delay, expected[failures]);
  }
}

TEST(Decide, TheAttemptAfterTheLastRetryIsTheLast) {
  const Decision decision = decide(policy(), outcome(Kind::failed), after(3), now);
  EXPECT_EQ(decision.ending, Ending::dead);
  EXPECT_STREQ(decision.reason, "retries");
}

TEST(Decide, WithoutRetriesTheFirstFailureIsTheLast) {
  Policy none;
  none.max_retries = 0;
  EXPECT_EQ(decide(none, outcome(Kind::failed), after(0), now).ending, Ending::dead);
}

TEST(Decide, RetriesWithoutDelaysComeAtOnce) {
  Policy at_once;
  at_once.max_retries = 1;
  const Decision decision = decide(at_once, outcome(Kind::failed), after(0), now);
  EXPECT_EQ(decision.ending, Ending::retry);
  EXPECT_EQ(decision.delay, 0ms);
}

TEST(Decide, RejectedAndUndecodableAreDeadAtOnce) {
  const Decision rejected = decide(policy(), outcome(Kind::rejected), after(0), now);
  EXPECT_EQ(rejected.ending, Ending::dead);
  EXPECT_STREQ(rejected.reason, "rejected");
  const Decision undecodable = decide(policy(), outcome(Kind::undecodable), after(0), now);
  EXPECT_EQ(undecodable.ending, Ending::dead);
  EXPECT_STREQ(undecodable.reason, "decode");
}

TEST(Decide, RetryAfterSetsTheDelayAndCountsAsAnAttempt) {
  const Decision decision = decide(policy(), outcome(Kind::retry_after, 7s), after(1), now);
  EXPECT_EQ(decision.ending, Ending::retry);
  EXPECT_EQ(decision.delay, 7s);
  EXPECT_EQ(decide(policy(), outcome(Kind::retry_after, 7s), after(3), now).ending, Ending::dead);
}

TEST(Decide, ARetryThatIsDueWhenItHasExpiredIsADeadLetterExpired) {
  for (const std::int64_t left : {0, 99, 100}) {
    const Decision late = decide(policy(), outcome(Kind::failed), after(0, 0, now + left), now);
    EXPECT_EQ(late.ending, Ending::dead) << left;
    EXPECT_STREQ(late.reason, "expired") << left;
    EXPECT_EQ(late.delay, 100ms) << left;
  }
  EXPECT_EQ(decide(policy(), outcome(Kind::failed), after(0, 0, now + 101), now).ending,
            Ending::retry);
  const Decision asked =
      decide(policy(), outcome(Kind::retry_after, 7s), after(0, 0, now + 7000), now);
  EXPECT_STREQ(asked.reason, "expired");
  EXPECT_EQ(asked.delay, 7s);
}

TEST(Decide, AfterTheLastAttemptTheReasonIsRetriesHoweverLateARetryWouldBe) {
  EXPECT_STREQ(decide(policy(), outcome(Kind::retry_after, 7s), after(3, 0, now + 1), now).reason,
               "retries");
}

TEST(Decide, AnInterruptedRunIsNoAttempt) {
  for (const int failures : {0, 3, 50})
    EXPECT_EQ(decide(policy(), outcome(Kind::interrupted), after(failures), now).ending,
              Ending::release);
  EXPECT_EQ(decide(policy(), outcome(Kind::failed), after(2, 99), now).ending, Ending::retry);
}

TEST(Decide, InterruptionsHaveABoundAndAReasonOfTheirOwn) {
  Policy few = policy();
  few.max_interruptions = 5;
  few.max_retries = 0;
  for (int interruptions = 0; interruptions < 5; ++interruptions)
    EXPECT_EQ(decide(few, outcome(Kind::interrupted), after(0, interruptions), now).ending,
              Ending::release);
  const Decision last = decide(few, outcome(Kind::interrupted), after(0, 5), now);
  EXPECT_EQ(last.ending, Ending::dead);
  EXPECT_STREQ(last.reason, "interrupted");
}

}  // namespace
}  // namespace mx_rmq::worker
