#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mx_rmq/metrics.hpp"
#include "mx_rmq/task.hpp"
#include "queue/access.hpp"

namespace mx_rmq::queue {

/// What INFO tells of memory; nothing if it does not.
[[nodiscard]] std::optional<RedisMemory> parse_memory(std::string_view info);

/// Asks each node that serves one of these topics, and the one that has the set of topics, and
/// tells of the one that is fullest: the one that has least left, if all have a limit. Nothing if
/// none tells (no right to INFO). Within a Use. Throws ConnectionError, TimeoutError.
Task<std::optional<RedisMemory>> fullest_memory(Access* access, std::vector<std::string> topics);

}  // namespace mx_rmq::queue
