#include "api/checks.hpp"

#include <gtest/gtest.h>

#include <random>
#include <stdexcept>
#include <string>

#include "mx_rmq/config.hpp"

namespace mx_rmq {
namespace {

using namespace std::chrono_literals;

template <class F>
std::string refusal(F check) {
  try {
    check();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "accepted";
}

std::string topic_refusal(std::string_view topic) {
  return refusal([&] { api::validate_topic(topic); });
}

std::string options_refusal(const ProduceOptions& options) {
  return refusal([&] { api::validate_produce_options(options); });
}

std::string handler_refusal(const HandlerOptions& options, const MQConfig& config = MQConfig()) {
  return refusal([&] { api::validate_handler_options(options, config); });
}

TEST(TopicCheck, TakesExactlyTheAllowedCharacters) {
  const std::string allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-";
  for (int byte = 0; byte < 256; ++byte) {
    const std::string topic = std::string("t") + static_cast<char>(byte);
    const bool ok = allowed.find(static_cast<char>(byte)) != std::string::npos;
    EXPECT_EQ(topic_refusal(topic) == "accepted", ok) << byte;
  }
}

TEST(TopicCheck, NamesTheArgumentTheTopicAndWhatIsAllowed) {
  EXPECT_EQ(topic_refusal(""),
            "topic: it is empty; allowed are 1 to 128 characters out of A-Z a-z 0-9 . _ : -");
  EXPECT_EQ(
      topic_refusal("a b\n"),
      "topic: \"a b\\n\" is not allowed; allowed are 1 to 128 characters out of A-Z a-z 0-9 . "
      "_ : -");
  EXPECT_EQ(topic_refusal(std::string(128, 'a')), "accepted");
  EXPECT_TRUE(topic_refusal(std::string(129, 'a')).starts_with("topic: it has 129 characters"));
}

TEST(MessageIdCheck, TakesAnyUtf8FromOneTo256Bytes) {
  const auto id_refusal = [](std::string_view id) {
    return refusal([&] { api::validate_message_id(id); });
  };
  EXPECT_EQ(id_refusal(std::string_view("\0", 1)), "accepted");
  EXPECT_EQ(id_refusal("a b:{}*\n\U0001F600"), "accepted");
  EXPECT_EQ(id_refusal(std::string(256, 'i')), "accepted");
  EXPECT_EQ(id_refusal(std::string(257, 'i')),
            "message_id: it has 257 bytes; allowed are 1 to 256 bytes of UTF-8");
  EXPECT_EQ(id_refusal(""), "message_id: it is empty; allowed are 1 to 256 bytes of UTF-8");
  EXPECT_EQ(id_refusal("ab\xed\xa0\x80"), "message_id: invalid UTF-8 at byte 2");
}

TEST(ProduceOptionsCheck, AKeyIsLikeAnId) {
  const auto key_refusal = [](std::string key) {
    return options_refusal(ProduceOptions{}.key(std::move(key)));
  };
  EXPECT_EQ(key_refusal("customer-7"), "accepted");
  EXPECT_EQ(key_refusal(std::string(256, 'k')), "accepted");
  EXPECT_EQ(key_refusal(""), "key: it is empty; allowed are 1 to 256 bytes of UTF-8");
  EXPECT_EQ(key_refusal(std::string(257, 'k')),
            "key: it has 257 bytes; allowed are 1 to 256 bytes of UTF-8");
  EXPECT_EQ(key_refusal("\xff"), "key: invalid UTF-8 at byte 0");
}

TEST(ProduceOptionsCheck, DelayAndAtExcludeEachOther) {
  const auto later = std::chrono::system_clock::now() + 1h;
  EXPECT_EQ(options_refusal(ProduceOptions{}.delay(5min)), "accepted");
  EXPECT_EQ(options_refusal(ProduceOptions{}.at(later)), "accepted");
  EXPECT_EQ(options_refusal(ProduceOptions{}.delay(0ms).at(later)),
            "at: it cannot be given together with delay; use one of them");
}

TEST(ProduceOptionsCheck, RangesOfDelayAtAndTtl) {
  using std::chrono::system_clock;
  EXPECT_EQ(options_refusal(ProduceOptions{}), "accepted");
  EXPECT_EQ(options_refusal(ProduceOptions{}.delay(0ms)), "accepted");
  EXPECT_EQ(options_refusal(ProduceOptions{}.delay(-1ms)),
            "delay: -1ms is not allowed; 0 (at once) to 100 years are");
  EXPECT_EQ(options_refusal(ProduceOptions{}.delay(api::max_delay)), "accepted");
  EXPECT_TRUE(options_refusal(ProduceOptions{}.delay(api::max_delay + 1ms)).starts_with("delay: "));
  EXPECT_TRUE(options_refusal(ProduceOptions{}.delay(std::chrono::milliseconds::max()))
                  .starts_with("delay: "));
  EXPECT_EQ(options_refusal(ProduceOptions{}.at(system_clock::now() - 24h)), "accepted");
  EXPECT_EQ(options_refusal(ProduceOptions{}.at(system_clock::time_point::min())), "accepted");
  EXPECT_EQ(options_refusal(ProduceOptions{}.at(system_clock::time_point::max())),
            "at: it is more than 100 years ahead");
  EXPECT_EQ(options_refusal(ProduceOptions{}.ttl(1ms)), "accepted");
  EXPECT_EQ(options_refusal(ProduceOptions{}.ttl(0ms)),
            "ttl: 0ms is not allowed; 1 ms to 100 years are");
  EXPECT_TRUE(options_refusal(ProduceOptions{}.ttl(-5s)).starts_with("ttl: -5000ms"));
}

TEST(ProduceOptionsCheck, PriorityAndId) {
  EXPECT_EQ(options_refusal(ProduceOptions{}.priority(MessagePriority::low).message_id("a")),
            "accepted");
  EXPECT_EQ(options_refusal(ProduceOptions{}.priority(static_cast<MessagePriority>(3))),
            "priority: it is none of low, normal, high");
  EXPECT_TRUE(options_refusal(ProduceOptions{}.message_id("")).starts_with("message_id: "));
}

TEST(HandlerOptionsCheck, Ranges) {
  EXPECT_EQ(handler_refusal(HandlerOptions{}), "accepted");
  EXPECT_EQ(handler_refusal(
                HandlerOptions{}.timeout(1ms).max_concurrency(1).max_retries(0).retry_delays({})),
            "accepted");
  EXPECT_TRUE(handler_refusal(HandlerOptions{}.timeout(0ms)).starts_with("timeout: 0ms"));
  EXPECT_TRUE(handler_refusal(HandlerOptions{}.timeout(31 * 24h)).starts_with("timeout: "));
  EXPECT_EQ(handler_refusal(HandlerOptions{}.max_concurrency(0)),
            "max_concurrency: 0 is not allowed; 1 or more is");
  EXPECT_EQ(handler_refusal(HandlerOptions{}.max_retries(-1)),
            "max_retries: -1 is not allowed; 0 to 1000 are");
  EXPECT_TRUE(handler_refusal(HandlerOptions{}.max_retries(1001)).starts_with("max_retries: "));
  EXPECT_TRUE(
      handler_refusal(HandlerOptions{}.retry_delays({1s, -1ms})).starts_with("retry_delays: -1ms"));
}

TEST(HandlerOptionsCheck, RetriesNeedADelayFromTheHandlerOrTheConfiguration) {
  EXPECT_EQ(handler_refusal(HandlerOptions{}.retry_delays({})),
            "retry_delays: it is empty though max_retries is 3");
  MQConfig without;
  without.max_retries = 0;
  without.retry_delays.clear();
  EXPECT_EQ(handler_refusal(HandlerOptions{}, without), "accepted");
  EXPECT_EQ(handler_refusal(HandlerOptions{}.max_retries(2), without),
            "retry_delays: it is empty though max_retries is 2");
  EXPECT_EQ(handler_refusal(HandlerOptions{}.max_retries(2).retry_delays({0ms}), without),
            "accepted");
}

TEST(HandlerOptionsCheck, ARetryPolicyAndRetryDelaysMustNotContradictEachOther) {
  EXPECT_EQ(
      handler_refusal(HandlerOptions{}.retry_policy(RetryPolicy::fixed(2s)).retry_delays({1s})),
      "retry_delays: retry_policy has pauses of its own, fixed 2s; give one of them");
  EXPECT_EQ(
      handler_refusal(
          HandlerOptions{}.retry_policy(RetryPolicy().jitter(Jitter::equal)).retry_delays({1s})),
      "accepted");
  EXPECT_EQ(handler_refusal(HandlerOptions{}.retry_policy(RetryPolicy::exponential(1s, 0.5))),
            "retry_policy: a factor of 0.5 is not allowed; 1 to 100 are");
  MQConfig without;
  without.retry_delays.clear();
  EXPECT_EQ(handler_refusal(HandlerOptions{}.retry_policy(RetryPolicy::fixed(2s)), without),
            "accepted");
}

TEST(HandlerOptionsCheck, ThePolicyOfAHandlerIsItsOwnOrThatOfTheConfiguration) {
  MQConfig config;
  config.retry_policy = RetryPolicy::fixed(7s).jitter(Jitter::full);
  EXPECT_EQ(api::retry_policy_of(HandlerOptions{}, config).describe(), "fixed 7s jitter full");
  EXPECT_EQ(api::retry_policy_of(HandlerOptions{}.retry_policy(RetryPolicy::linear(1s)), config)
                .describe(),
            "linear 1s");
  EXPECT_EQ(api::retry_policy_of(HandlerOptions{}.retry_delays({1s}), config).describe(),
            "listed jitter full");
}

TEST(LateRetry, IsTheFirstThatIsDueWhenTheTimeToLiveIsOver) {
  MQConfig config;  // retries after 60, 300 and 1800 s
  EXPECT_FALSE(api::late_retry(HandlerOptions{}, config).has_value());
  config.message_ttl = 2160s + 1ms;
  EXPECT_FALSE(api::late_retry(HandlerOptions{}, config).has_value());
  config.message_ttl = 2160s;
  const auto third = api::late_retry(HandlerOptions{}, config);
  ASSERT_TRUE(third.has_value());
  EXPECT_EQ(third->number, 3);
  EXPECT_EQ(third->after, 2160s);
  EXPECT_FALSE(api::late_retry(HandlerOptions{}.max_retries(2), config).has_value());
  const auto first = api::late_retry(HandlerOptions{}.retry_delays({1h}), config);
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->number, 1);
  const auto repeated =
      api::late_retry(HandlerOptions{}.max_retries(1000).retry_delays({0s, 3s}), config);
  ASSERT_TRUE(repeated.has_value());
  EXPECT_EQ(repeated->number, 721);
  const auto doubled = api::late_retry(
      HandlerOptions{}.max_retries(20).retry_policy(RetryPolicy::exponential(1s)), config);
  ASSERT_TRUE(doubled.has_value());
  EXPECT_EQ(doubled->number, 12);  // 1 + 2 + 4 ... 2048 s
}

}  // namespace
}  // namespace mx_rmq
