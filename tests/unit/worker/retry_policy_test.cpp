#include "worker/retry_policy.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

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
  made.first_began = now;
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

// --- the retry policy ---

template <class E>
Outcome failed_with(E error) {
  Outcome made = outcome(Kind::failed);
  made.error = "the text";
  made.cause = std::make_exception_ptr(std::move(error));
  return made;
}

TEST(Decide, TheRetryPolicySaysThePauses) {
  Policy growing = policy();
  growing.retry_policy = RetryPolicy::exponential(10ms, 3);
  for (const auto& [failures, pause] : {std::pair{0, 10ms}, std::pair{1, 30ms}, std::pair{2, 90ms}})
    EXPECT_EQ(decide(growing, outcome(Kind::failed), after(failures), now).delay, pause);
  EXPECT_STREQ(decide(growing, outcome(Kind::failed), after(3), now).reason, "retries");
  EXPECT_TRUE(listed_delays(growing).empty());
  EXPECT_EQ(listed_delays(policy()), policy().retry_delays);
}

TEST(Decide, ChanceCountsOnlyWithJitterAndNotForRetryAfter) {
  EXPECT_EQ(decide(policy(), outcome(Kind::failed), after(0), now, 0.5).delay, 100ms);
  Policy spread = policy();
  spread.retry_policy = RetryPolicy().jitter(Jitter::full);
  EXPECT_EQ(decide(spread, outcome(Kind::failed), after(0), now, 0.5).delay, 50ms);
  EXPECT_EQ(decide(spread, outcome(Kind::retry_after, 7s), after(0), now, 0.5).delay, 7s);
}

TEST(Decide, WhatIsNeverRetriedIsADeadLetterRejected) {
  Policy picky = policy();
  picky.retry_policy = RetryPolicy().never<std::invalid_argument>();
  const Decision bad = decide(picky, failed_with(std::invalid_argument("x")), after(0), now);
  EXPECT_EQ(bad.ending, Ending::dead);
  EXPECT_STREQ(bad.reason, "rejected");
  EXPECT_STREQ(bad.why, "an error of this type is never retried");
  EXPECT_EQ(decide(picky, failed_with(std::logic_error("x")), after(0), now).ending, Ending::retry);
  EXPECT_EQ(decide(picky, outcome(Kind::failed), after(0), now).ending, Ending::retry);
  EXPECT_EQ(decide(picky, failed_with(std::invalid_argument("x")), after(3), now).ending,
            Ending::dead);
}

TEST(Decide, AFunctionOfItsOwnGetsTheErrorAndTheAttempt) {
  Policy own = policy();
  std::string seen;
  own.retry_policy =
      RetryPolicy::from([&seen](const std::exception& error,
                                int attempt) -> std::optional<std::chrono::milliseconds> {
        seen = std::string(error.what()) + " " + std::to_string(attempt);
        if (attempt == 3) return std::nullopt;
        return attempt == 1 ? 700ms : std::chrono::milliseconds(-5);
      }).maximum(600ms);
  EXPECT_EQ(decide(own, failed_with(std::runtime_error("x")), after(0), now).delay, 600ms);
  EXPECT_EQ(seen, "x 1");
  EXPECT_EQ(decide(own, failed_with(7), after(1), now).delay, 0ms);
  EXPECT_EQ(seen, "the text 2");
  const Decision last = decide(own, outcome(Kind::failed), after(2), now);
  EXPECT_STREQ(last.reason, "rejected");
  EXPECT_STREQ(last.why, "the retry policy's function says not to retry");
}

TEST(Decide, AFunctionThatThrowsLeavesItToTheDelays) {
  Policy own = policy();
  own.retry_policy =
      RetryPolicy::from([](const std::exception&, int attempt) -> std::chrono::milliseconds {
        if (attempt == 1) throw std::runtime_error("no idea");
        throw attempt;
      });
  const Decision first = decide(own, failed_with(std::runtime_error("x")), after(0), now);
  EXPECT_EQ(first.ending, Ending::retry);
  EXPECT_EQ(first.delay, 100ms);
  EXPECT_EQ(first.trouble, "no idea");
  EXPECT_EQ(decide(own, failed_with(7), after(1), now).trouble,
            "something that is no std::exception");
}

TEST(Decide, NoRetryBeginsWhenTheTimeForThemIsOver) {
  Policy bounded = policy();
  bounded.max_retries = 100;
  bounded.retry_policy = RetryPolicy::fixed(1s).retry_for(10s);
  Past past = after(5);
  past.first_began = now - 9'000;
  EXPECT_EQ(decide(bounded, outcome(Kind::failed), past, now).ending, Ending::retry);
  past.first_began = now - 9'001;
  const Decision over = decide(bounded, outcome(Kind::failed), past, now);
  EXPECT_EQ(over.ending, Ending::dead);
  EXPECT_STREQ(over.reason, "retries");
  EXPECT_STREQ(over.why, "the time for retries is over");
  EXPECT_EQ(decide(bounded, outcome(Kind::retry_after, 999ms), past, now).ending, Ending::retry);
  EXPECT_STREQ(decide(bounded, outcome(Kind::retry_after, 2s), past, now).reason, "retries");
}

}  // namespace
}  // namespace mx_rmq::worker
