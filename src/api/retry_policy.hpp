#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mx_rmq/retry_policy.hpp"

/// What a RetryPolicy comes to. Pure.
namespace mx_rmq::api {

/// The pause after the failed attempt of that number (from 1), before chance changes it. `listed`:
/// retry_delays. A policy with a function of its own counts as one that has listed pauses: what the
/// function says is cut by capped().
[[nodiscard]] std::chrono::milliseconds retry_pause(
    const detail::RetryRules& rules, const std::vector<std::chrono::milliseconds>& listed,
    int attempt);

/// At most what the policy and the library allow, and not negative.
[[nodiscard]] std::chrono::milliseconds capped(const detail::RetryRules& rules,
                                               std::chrono::milliseconds pause);

/// Changed by chance: `chance` is in [0, 1).
[[nodiscard]] std::chrono::milliseconds spread(Jitter jitter, std::chrono::milliseconds pause,
                                               double chance);

/// What is wrong with its numbers; nothing if they are in order.
[[nodiscard]] std::optional<std::string> why_refused(const RetryPolicy& policy);

/// Reads what RetryPolicy::describe() writes; nothing if it is malformed.
[[nodiscard]] std::optional<RetryPolicy> parse_retry_policy(std::string_view text);

inline constexpr std::string_view retry_policy_allowed =
    "listed, fixed T, linear T or exponential T [factor N], then any of maximum T, jitter "
    "none|full|equal, for T";

}  // namespace mx_rmq::api
