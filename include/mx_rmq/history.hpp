#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "mx_rmq/metrics.hpp"

namespace mx_rmq {

/// How a topic was at one moment.
struct HistoryPoint {
  /// All 0.
  HistoryPoint();

  std::chrono::system_clock::time_point at;  ///< by the server's clock
  MessageCounters counters;       ///< since they began: two points tell what happened between them
  std::int64_t pending = 0;       ///< waiting
  std::int64_t delayed = 0;       ///< delayed or waiting for a retry
  std::int64_t processing = 0;    ///< held by consumers
  std::int64_t dead_letters = 0;  ///< in its dead letters
  std::int64_t consumers = 0;     ///< that held, or lately held, messages
  std::chrono::milliseconds oldest{0};  ///< for how long the next message had waited; 0: none did
};

/// How a topic was over some time. It is noted once a minute by whoever consumes the topic, and by
/// an exporter (`mxrmq exporter`); minutes in which nothing changed are told as the one before.
struct TopicHistory {
  /// Empty.
  TopicHistory();

  std::chrono::milliseconds step{0};  ///< between two points: a minute, or ten of them
  std::vector<HistoryPoint>
      points;  ///< the oldest first; none from before the first that was noted
};

}  // namespace mx_rmq
