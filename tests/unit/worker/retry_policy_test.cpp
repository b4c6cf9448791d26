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

TEST(Decide, ARunThatReturnedIsAcknowledgedWhateverWentBefore) {
  for (const int failures : {0, 3, 50})
    EXPECT_EQ(decide(policy(), outcome(Kind::done), failures, now - 1, now).kind,
              Verdict::Kind::ack);
}

TEST(Decide, DelaysFollowTheListAndTheLastOneRepeats) {
  const std::chrono::milliseconds expected[] = {100ms, 200ms, 200ms};
  for (int failures = 0; failures < 3; ++failures) {
    const Verdict verdict = decide(policy(), outcome(Kind::failed), failures, never, now);
    EXPECT_EQ(verdict.kind, Verdict::Kind::retry);
    EXPECT_EQ(verdict.delay, expected[failures]);
  }
}

TEST(Decide, TheAttemptAfterTheLastRetryIsTheLast) {
  const Verdict verdict = decide(policy(), outcome(Kind::failed), 3, never, now);
  EXPECT_EQ(verdict.kind, Verdict::Kind::dead);
  EXPECT_STREQ(verdict.reason, "retries");
}

TEST(Decide, WithoutRetriesTheFirstFailureIsTheLast) {
  Policy none;
  none.max_retries = 0;
  EXPECT_EQ(decide(none, outcome(Kind::failed), 0, never, now).kind, Verdict::Kind::dead);
}

TEST(Decide, RetriesWithoutDelaysComeAtOnce) {
  Policy at_once;
  at_once.max_retries = 1;
  const Verdict verdict = decide(at_once, outcome(Kind::failed), 0, never, now);
  EXPECT_EQ(verdict.kind, Verdict::Kind::retry);
  EXPECT_EQ(verdict.delay, 0ms);
}

TEST(Decide, RejectedAndUndecodableAreDeadAtOnce) {
  const Verdict rejected = decide(policy(), outcome(Kind::rejected), 0, never, now);
  EXPECT_EQ(rejected.kind, Verdict::Kind::dead);
  EXPECT_STREQ(rejected.reason, "rejected");
  const Verdict undecodable = decide(policy(), outcome(Kind::undecodable), 0, never, now);
  EXPECT_EQ(undecodable.kind, Verdict::Kind::dead);
  EXPECT_STREQ(undecodable.reason, "decode");
}

TEST(Decide, RetryAfterSetsTheDelayAndCountsAsAnAttempt) {
  const Verdict verdict = decide(policy(), outcome(Kind::retry_after, 7s), 1, never, now);
  EXPECT_EQ(verdict.kind, Verdict::Kind::retry);
  EXPECT_EQ(verdict.delay, 7s);
  EXPECT_EQ(decide(policy(), outcome(Kind::retry_after, 7s), 3, never, now).kind,
            Verdict::Kind::dead);
}

TEST(Decide, ARetryAfterExpiryIsADeadLetterExpired) {
  const Verdict late = decide(policy(), outcome(Kind::failed), 0, now + 99, now);
  EXPECT_EQ(late.kind, Verdict::Kind::dead);
  EXPECT_STREQ(late.reason, "expired");
  EXPECT_EQ(decide(policy(), outcome(Kind::failed), 0, now + 100, now).kind, Verdict::Kind::retry)
      << "due at the moment it expires is in time";
}

TEST(Decide, AnInterruptedRunGoesBackUntilItsAttemptsAreUsedUp) {
  EXPECT_EQ(decide(policy(), outcome(Kind::interrupted), 2, never, now).kind,
            Verdict::Kind::release);
  const Verdict last = decide(policy(), outcome(Kind::interrupted), 3, never, now);
  EXPECT_EQ(last.kind, Verdict::Kind::dead);
  EXPECT_STREQ(last.reason, "retries");
}

}  // namespace
}  // namespace mx_rmq::worker
