#pragma once

#include <string>
#include <vector>

#include "mx_rmq/task.hpp"

#include "broker/data/snapshot_line.hpp"
#include "broker/topic_broker.hpp"

namespace mx_rmq::broker {

/// What is kept of a topic's history by that step, the oldest first; what cannot be read is left
/// out. Loop thread only; `broker` must outlive it. Errors: see ScriptCaller::plain.
enum class HistoryStep : bool { minute, ten_minutes };
[[nodiscard]] Task<std::vector<SnapshotLine>> read_history(TopicBroker& broker, HistoryStep step,
                                                           TimePoint deadline);

/// Of several histories, each the oldest first, one: at each of the times from `from` to `to` (unix
/// ms) that lie `step` ms apart the sum of what each was then, which is what it had been before if
/// nothing was noted then. It begins when the first of them does.
[[nodiscard]] std::vector<SnapshotLine> merge_histories(
    const std::vector<std::vector<SnapshotLine>>& parts, std::int64_t from, std::int64_t to,
    std::int64_t step);

}  // namespace mx_rmq::broker
