#include <gtest/gtest.h>

#include <chrono>
#include <exception>
#include <memory>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "mx_rmq/handler.hpp"
#include "mx_rmq/sync_wait.hpp"
#include "unit/api/handler_testing.hpp"

namespace mx_rmq {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using test::FakeContext;

TEST(ContextType, TellsWhatItsImplementationTells) {
  auto impl = std::make_unique<FakeContext>(json(1));
  FakeContext& fake = *impl;
  Context context(std::move(impl));
  EXPECT_EQ(context.id(), "id-1");
  EXPECT_EQ(context.topic(), "orders");
  EXPECT_EQ(context.message().payload, 1);
  EXPECT_EQ(context.attempt(), 2);
  EXPECT_EQ(context.max_attempts(), 4);
  EXPECT_EQ(context.deadline().time_since_epoch(), 5s);
  EXPECT_FALSE(context.stop_token().stop_requested());
  fake.source_.request_stop();
  EXPECT_TRUE(context.stop_token().stop_requested());
  sync_wait(context.extend(250ms));
  EXPECT_EQ(fake.extended_, 250ms);
  EXPECT_THROW((void)context.extend(0ms), std::invalid_argument);
  EXPECT_THROW((void)context.extend(-1s), std::invalid_argument);
  EXPECT_THROW((void)context.extend(31 * 24h), std::invalid_argument);
  EXPECT_THROW(Context(nullptr), std::invalid_argument);
}

TEST(Outcomes, RejectAndRetryAfterCarryTheirWords) {
  const Reject reject("bad order");
  EXPECT_STREQ(reject.what(), "bad order");
  const RetryAfter later(30s, "rate limit");
  EXPECT_EQ(later.delay(), 30s);
  EXPECT_STREQ(later.what(), "rate limit");
  EXPECT_THROW(RetryAfter(-1ms), std::invalid_argument);
  static_assert(std::is_base_of_v<std::exception, Reject> &&
                std::is_base_of_v<std::exception, RetryAfter>);
  static_assert(std::is_nothrow_copy_constructible_v<Reject>);
  static_assert(std::is_nothrow_copy_constructible_v<RetryAfter>);
}

TEST(HandlerOptionsType, ChainsAndTellsWhatWasSet) {
  const HandlerOptions none;
  EXPECT_FALSE(none.timeout() || none.max_concurrency() || none.max_retries() ||
               none.retry_delays());
  const HandlerOptions all =
      HandlerOptions{}.timeout(30s).max_concurrency(4).max_retries(2).retry_delays({1s, 2s});
  EXPECT_EQ(all.timeout(), 30s);
  EXPECT_EQ(all.max_concurrency(), 4);
  EXPECT_EQ(all.max_retries(), 2);
  EXPECT_EQ(all.retry_delays()->size(), 2U);
}

}  // namespace
}  // namespace mx_rmq
