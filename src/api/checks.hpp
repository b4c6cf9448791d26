#pragma once

#include <chrono>
#include <optional>
#include <string_view>

#include "mx_rmq/handler.hpp"
#include "mx_rmq/message.hpp"
#include "mx_rmq/topic_settings.hpp"

namespace mx_rmq {
struct MQConfig;
}

/// Checks of what a program passes in. Each throws std::invalid_argument whose text begins with the
/// name of the argument and says what is allowed, and does nothing else. Pure, any thread.
namespace mx_rmq::api {

/// Longest delay and time to live: beyond any use, and far from where times stop being exact in
/// Lua.
inline constexpr std::chrono::milliseconds max_delay = std::chrono::hours(24) * 36500;
/// Longest deadline of one run of a handler.
inline constexpr std::chrono::milliseconds max_run_time = std::chrono::hours(24) * 30;
/// Longest pause before a retry, where it is configured.
inline constexpr std::chrono::milliseconds max_retry_delay = std::chrono::hours(24) * 365;
inline constexpr int max_retry_limit = 1000;
/// Longest lease. One that ends later than this from now was given by a server's clock that has
/// been set back since.
inline constexpr std::chrono::milliseconds max_lease = std::chrono::hours(1);

/// [A-Za-z0-9._:-]{1,128}
void validate_topic(std::string_view topic);

/// 1 to 256 bytes of UTF-8, NUL included.
void validate_message_id(std::string_view id);

/// A name in the dead letters: a message id, or what the library named it by (longer, any bytes); 1
/// to 512 bytes.
void validate_dead_letter_id(std::string_view id);

/// delay and at, their ranges, ttl, priority, id, key, headers.
void validate_produce_options(const ProduceOptions& options);

/// The most partitions of a topic.
inline constexpr int max_partitions = 1024;

/// Ranges, and that nothing is set that this version does not know yet.
void validate_topic_settings(const TopicSettings& settings);

/// 1 ms to max_delay.
void validate_pause(std::chrono::milliseconds duration);

/// Ranges; and that there is a delay if there are retries, with the configuration's values where
/// the handler has none of its own.
void validate_handler_options(const HandlerOptions& options, const MQConfig& config);

/// The policy of a handler: its own; else its own retry_delays, with what the configuration's says
/// beside the pauses; else the configuration's.
[[nodiscard]] RetryPolicy retry_policy_of(const HandlerOptions& options, const MQConfig& config);

/// A retry that would be due when a message's time to live is over, however quickly its attempts
/// fail.
struct LateRetry {
  int number = 0;                      ///< from 1
  std::chrono::milliseconds after{0};  ///< the pauses before it, together
};
/// The first such retry of a handler, for messages with the configuration's time to live. None:
/// there is none. No error, as messages may be produced with another one; throws nothing.
[[nodiscard]] std::optional<LateRetry> late_retry(const HandlerOptions& options,
                                                  const MQConfig& config);

}  // namespace mx_rmq::api
