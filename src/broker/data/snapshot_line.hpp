#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace mx_rmq::broker {

/// Entries that are kept: 8 hours by the minute, and 7 days by ten of them.
inline constexpr int history_entries_1m = 8 * 60;
inline constexpr int history_entries_10m = 7 * 24 * 6;

/// How a topic was at the beginning of a step of its history, as lua/snapshot.lua writes it.
struct SnapshotLine {
  std::int64_t at = 0;  ///< unix ms, the beginning of the minute or of the ten
  /// produced, duplicates, completed, retried, dead, dropped, expired, cancelled, lease_lost,
  /// recovered, requeued, removed, discarded: all since the counters began.
  std::array<std::int64_t, 13> counters{};
  std::int64_t waiting = 0;
  std::int64_t delayed = 0;
  std::int64_t dead_letters = 0;
  std::int64_t consumers = 0;
  std::int64_t oldest = 0;  ///< ms for which the one that came next had waited; 0 = none waited
};

/// Nothing if it is no such line. What may stand behind it is passed over.
[[nodiscard]] std::optional<SnapshotLine> parse_snapshot(std::string_view line) noexcept;

}  // namespace mx_rmq::broker
