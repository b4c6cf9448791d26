#include "api/checks.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "api/message_headers.hpp"
#include "api/retry_policy.hpp"
#include "mx_rmq/config.hpp"
#include "runtime/text.hpp"
#include "runtime/utf8.hpp"

namespace mx_rmq::api {
namespace {

using std::chrono::milliseconds;
using Pauses = detail::RetryRules::Pauses;

constexpr std::size_t max_topic_bytes = 128;
constexpr std::size_t max_id_bytes = 256;
constexpr std::size_t max_dead_letter_id_bytes = 512;

[[noreturn]] void refuse_argument(std::string_view argument, const std::string& why) {
  throw std::invalid_argument(std::string(argument) + ": " + why);
}

bool topic_character(char c) noexcept {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == ':' || c == '-';
}

std::string in_days(milliseconds value) {
  return std::to_string(value / std::chrono::hours(24)) + " days";
}

std::string in_ms(milliseconds value) { return std::to_string(value.count()) + "ms"; }

void check_range(std::string_view argument, milliseconds value, milliseconds least,
                 milliseconds most, const std::string& allowed) {
  if (value < least || value > most)
    refuse_argument(argument, in_ms(value) + " is not allowed; " + allowed);
}

void check_short_text(const char* argument, std::string_view text) {
  constexpr const char* allowed = "allowed are 1 to 256 bytes of UTF-8";
  if (text.empty()) refuse_argument(argument, std::string("it is empty; ") + allowed);
  if (text.size() > max_id_bytes)
    refuse_argument(argument, "it has " + std::to_string(text.size()) + " bytes; " + allowed);
  const std::size_t bad = runtime::utf8::find_invalid(text);
  if (bad != std::string_view::npos)
    refuse_argument(argument, "invalid UTF-8 at byte " + std::to_string(bad));
}

}  // namespace

void validate_topic(std::string_view topic) {
  constexpr const char* allowed = "; allowed are 1 to 128 characters out of A-Z a-z 0-9 . _ : -";
  if (topic.empty()) refuse_argument("topic", std::string("it is empty") + allowed);
  if (topic.size() > max_topic_bytes)
    refuse_argument("topic", "it has " + std::to_string(topic.size()) + " characters" + allowed);
  if (!std::all_of(topic.begin(), topic.end(), topic_character))
    refuse_argument("topic", runtime::text::quoted(topic) + " is not allowed" + allowed);
}

void validate_message_id(std::string_view id) { check_short_text("message_id", id); }

void validate_dead_letter_id(std::string_view id) {
  if (id.empty()) refuse_argument("id", "it is empty; allowed are 1 to 512 bytes");
  if (id.size() > max_dead_letter_id_bytes)
    refuse_argument("id",
                    "it has " + std::to_string(id.size()) + " bytes; allowed are 1 to 512 bytes");
}

void validate_produce_options(const ProduceOptions& options) {
  if (options.delay() && options.at())
    refuse_argument("at", "it cannot be given together with delay; use one of them");
  if (options.delay())
    check_range("delay", *options.delay(), milliseconds(0), max_delay,
                "0 (at once) to 100 years are");
  if (options.at() && *options.at() > std::chrono::system_clock::now() + max_delay)
    refuse_argument("at", "it is more than 100 years ahead");
  if (options.ttl())
    check_range("ttl", *options.ttl(), milliseconds(1), max_delay, "1 ms to 100 years are");
  if (options.priority() && *options.priority() > MessagePriority::high)
    refuse_argument("priority", "it is none of low, normal, high");
  if (options.message_id()) validate_message_id(*options.message_id());
  if (!options.headers().empty()) validate_headers(options.headers());
  if (options.key()) check_short_text("key", *options.key());
  if (options.throws_if_duplicate() && !options.message_id())
    refuse_argument("throw_if_duplicate",
                    "it needs a message_id; a generated one is never a duplicate");
}

void validate_topic_settings(const TopicSettings& settings) {
  constexpr const char* not_yet =
      "it cannot be set yet: this version of the library keeps no such limit; of a topic's "
      "settings "
      "it knows partitions";
  if (settings.partitions() &&
      (*settings.partitions() < 1 || *settings.partitions() > max_partitions))
    refuse_argument("partitions", std::to_string(*settings.partitions()) +
                                      " is not allowed; 1 to " + std::to_string(max_partitions) +
                                      " are");
  if (settings.rate()) refuse_argument("rate", not_yet);
  if (settings.concurrency()) refuse_argument("concurrency", not_yet);
  if (settings.max_length()) refuse_argument("max_length", not_yet);
  if (settings.group_concurrency()) refuse_argument("group_concurrency", not_yet);
  if (settings.group_rate()) refuse_argument("group_rate", not_yet);
}

void validate_pause(std::chrono::milliseconds duration) {
  if (duration < std::chrono::milliseconds(1) || duration > max_delay)
    refuse_argument("duration",
                    std::to_string(duration.count()) + " ms is not allowed; 1 ms to 100 years are");
}

RetryPolicy retry_policy_of(const HandlerOptions& options, const MQConfig& config) {
  if (options.retry_policy()) return *options.retry_policy();
  if (options.retry_delays()) return config.retry_policy.by_delays();
  return config.retry_policy;
}

std::optional<LateRetry> late_retry(const HandlerOptions& options, const MQConfig& config) {
  const int retries = options.max_retries().value_or(config.max_retries);
  const auto& delays = options.retry_delays() ? *options.retry_delays() : config.retry_delays;
  const RetryPolicy policy = retry_policy_of(options, config);
  // What a function will say is not known.
  if (policy.rules().pauses == Pauses::reckoned) return std::nullopt;
  LateRetry late;
  for (int retry = 1; retry <= retries; ++retry) {
    late.number = retry;
    late.after += retry_pause(policy.rules(), delays, retry);
    if (late.after >= config.message_ttl) return late;
  }
  return std::nullopt;
}

void validate_handler_options(const HandlerOptions& options, const MQConfig& config) {
  if (options.timeout())
    check_range("timeout", *options.timeout(), milliseconds(1), max_run_time,
                "1 ms to " + in_days(max_run_time) + " are");
  if (options.max_concurrency() && *options.max_concurrency() < 1)
    refuse_argument("max_concurrency",
                    std::to_string(*options.max_concurrency()) + " is not allowed; 1 or more is");
  const int retries = options.max_retries().value_or(config.max_retries);
  if (retries < 0 || retries > max_retry_limit)
    refuse_argument("max_retries", std::to_string(retries) + " is not allowed; 0 to " +
                                       std::to_string(max_retry_limit) + " are");
  const auto& delays = options.retry_delays() ? *options.retry_delays() : config.retry_delays;
  const bool listed = retry_policy_of(options, config).rules().pauses == Pauses::listed;
  if (retries > 0 && delays.empty() && listed)
    refuse_argument("retry_delays", "it is empty though max_retries is " + std::to_string(retries));
  if (delays.size() > max_retry_limit)
    refuse_argument("retry_delays", std::to_string(delays.size()) + " delays; at most " +
                                        std::to_string(max_retry_limit) + " are allowed");
  if (options.retry_policy()) {
    const RetryPolicy& policy = *options.retry_policy();
    if (const auto why = why_refused(policy)) refuse_argument("retry_policy", *why);
    if (options.retry_delays() && policy.rules().pauses != Pauses::listed)
      refuse_argument("retry_delays", "retry_policy has pauses of its own, " + policy.describe() +
                                          "; give one of them");
  }
  for (const milliseconds delay : delays)
    check_range("retry_delays", delay, milliseconds(0), max_retry_delay,
                "0 to " + in_days(max_retry_delay) + " are");
}

}  // namespace mx_rmq::api
