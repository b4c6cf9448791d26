#include "api/retry_policy.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <vector>

#include "api/checks.hpp"

namespace mx_rmq {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

std::vector<milliseconds> pauses(const RetryPolicy& policy, int retries,
                                 const std::vector<milliseconds>& listed = {}) {
  std::vector<milliseconds> out;
  for (int attempt = 1; attempt <= retries; ++attempt)
    out.push_back(api::retry_pause(policy.rules(), listed, attempt));
  return out;
}

TEST(RetryPolicy, PausesAreListedFixedLinearOrExponential) {
  EXPECT_EQ(pauses(RetryPolicy(), 4, {1s, 5s}), (std::vector<milliseconds>{1s, 5s, 5s, 5s}));
  EXPECT_EQ(pauses(RetryPolicy(), 2), (std::vector<milliseconds>{0s, 0s}));
  EXPECT_EQ(pauses(RetryPolicy::fixed(1.5s), 3),
            (std::vector<milliseconds>{1500ms, 1500ms, 1500ms}));
  EXPECT_EQ(pauses(RetryPolicy::linear(2s), 3), (std::vector<milliseconds>{2s, 4s, 6s}));
  EXPECT_EQ(pauses(RetryPolicy::exponential(1s), 5),
            (std::vector<milliseconds>{1s, 2s, 4s, 8s, 16s}));
  EXPECT_EQ(pauses(RetryPolicy::exponential(100ms, 1.5), 4),
            (std::vector<milliseconds>{100ms, 150ms, 225ms, 338ms}));
}

TEST(RetryPolicy, NoPauseIsLongerThanTheMaximumOrAYear) {
  EXPECT_EQ(pauses(RetryPolicy::exponential(1s).maximum(5s), 5),
            (std::vector<milliseconds>{1s, 2s, 4s, 5s, 5s}));
  EXPECT_EQ(pauses(RetryPolicy().maximum(2s), 2, {1s, 60s}), (std::vector<milliseconds>{1s, 2s}));
  for (const RetryPolicy& policy :
       {RetryPolicy::exponential(1s, 100), RetryPolicy::exponential(365 * 24h),
        RetryPolicy::linear(365 * 24h)})
    EXPECT_EQ(api::retry_pause(policy.rules(), {}, 1000), api::max_retry_delay)
        << policy.describe();
  const auto rules = RetryPolicy().maximum(5s).rules();
  EXPECT_EQ(api::capped(rules, milliseconds::max()), 5s);
  EXPECT_EQ(api::capped(rules, milliseconds::min()), 0s);
}

TEST(RetryPolicy, JitterTakesPartOfThePause) {
  const double last = 1 - 1e-9;
  EXPECT_EQ(api::spread(Jitter::none, 10s, 0.5), 10s);
  EXPECT_EQ(api::spread(Jitter::full, 10s, 0), 0s);
  EXPECT_EQ(api::spread(Jitter::full, 10s, 0.25), 2500ms);
  EXPECT_EQ(api::spread(Jitter::full, 10s, last), 10s);
  EXPECT_EQ(api::spread(Jitter::equal, 10s, 0), 5s);
  EXPECT_EQ(api::spread(Jitter::equal, 10s, 0.5), 7500ms);
  EXPECT_EQ(api::spread(Jitter::equal, 3ms, last), 3ms);
}

TEST(RetryPolicy, TextIsReadBack) {
  for (const char* text :
       {"listed", "listed jitter equal", "fixed 30s", "linear 1500ms maximum 1h", "exponential 1s",
        "exponential 0s factor 1", "exponential 250ms factor 1.5",
        "exponential 1s factor 3 maximum 5m jitter full for 1d"}) {
    const auto policy = api::parse_retry_policy(text);
    ASSERT_TRUE(policy) << text;
    EXPECT_EQ(policy->describe(), text);
    EXPECT_EQ(api::parse_retry_policy(policy->describe()), policy);
  }
  EXPECT_EQ(api::parse_retry_policy("\t exponential  0.5  jitter full jitter none ")->describe(),
            "exponential 500ms");
}

TEST(RetryPolicy, MalformedTextIsRefused) {
  for (const char* text :
       {"", "often", "fixed", "fixed soon", "linear -", "exponential", "exponential 1s factor",
        "exponential 1s factor x", "exponential 1s 2", "fixed 1s factor 2", "fixed 1s jitter",
        "fixed 1s jitter some", "fixed 1s maximum", "fixed 1s for", "fixed 1s until 3s", "function",
        "listed,", "FIXED 1s"})
    EXPECT_FALSE(api::parse_retry_policy(text)) << text;
}

TEST(RetryPolicy, NumbersOutOfRangeAreRefusedByName) {
  const auto why = [](const RetryPolicy& policy) {
    return api::why_refused(policy).value_or("accepted");
  };
  EXPECT_EQ(why(RetryPolicy()), "accepted");
  EXPECT_EQ(why(RetryPolicy::exponential(365 * 24h, 100).maximum(0s).retry_for(1ms)), "accepted");
  EXPECT_EQ(why(RetryPolicy::fixed(-1ms)), "a pause of -1ms is not allowed; 0s to 365d are");
  EXPECT_EQ(why(RetryPolicy::exponential(1s, 0.9)), "a factor of 0.9 is not allowed; 1 to 100 are");
  EXPECT_TRUE(why(RetryPolicy::exponential(1s, std::numeric_limits<double>::quiet_NaN()))
                  .starts_with("a factor of nan "));
  EXPECT_EQ(why(RetryPolicy().maximum(366 * 24h)),
            "a maximum of 366d is not allowed; 0s to 365d are");
  EXPECT_EQ(why(RetryPolicy().retry_for(0s)), "retrying for 0s is not allowed; 1ms to 3650d are");
  EXPECT_EQ(why(RetryPolicy().jitter(static_cast<Jitter>(3))),
            "jitter: it is none of none, full, equal");
}

TEST(RetryPolicy, KnowsErrorsByTypeDerivedOnesIncluded) {
  const RetryPolicy policy = RetryPolicy().never<std::invalid_argument>().never<int>();
  ASSERT_EQ(policy.rules().never.size(), 2U);
  const auto never = [&policy](const std::exception_ptr& error) {
    return policy.rules().never[0](error) || policy.rules().never[1](error);
  };
  struct Derived : std::invalid_argument {
    using std::invalid_argument::invalid_argument;
  };
  EXPECT_TRUE(never(std::make_exception_ptr(std::invalid_argument("x"))));
  EXPECT_TRUE(never(std::make_exception_ptr(Derived("x"))));
  EXPECT_TRUE(never(std::make_exception_ptr(7)));
  EXPECT_FALSE(never(std::make_exception_ptr(std::logic_error("x"))));
  EXPECT_FALSE(never(std::make_exception_ptr(7L)));
}

TEST(RetryPolicy, IsComparedByWhatItSays) {
  EXPECT_EQ(RetryPolicy::fixed(1s).jitter(Jitter::full),
            RetryPolicy::fixed(1000ms).jitter(Jitter::full));
  EXPECT_NE(RetryPolicy::fixed(1s), RetryPolicy::linear(1s));
  EXPECT_EQ(RetryPolicy().never<int>(), RetryPolicy().never<int>());
  EXPECT_NE(RetryPolicy().never<int>(), RetryPolicy().never<long>());
  const auto function = [](const std::exception&, int) { return 1s; };
  const RetryPolicy own = RetryPolicy::from(function);
  const RetryPolicy copy = own;
  EXPECT_EQ(own, copy);
  EXPECT_NE(own, RetryPolicy::from(function));
  EXPECT_EQ(own.describe(), "function");
  EXPECT_EQ(own.by_delays(), RetryPolicy());
}

}  // namespace
}  // namespace mx_rmq
