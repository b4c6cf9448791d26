#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "mx_rmq/metrics.hpp"

namespace mx_rmq::api {

/// One field of MessageCounters: its name is that in JSON, in Prometheus and in the stats hash in
/// Redis.
struct Counter {
  std::string_view name;
  std::int64_t MessageCounters::*member;
  std::string_view help;
};

inline constexpr std::array counters{
    Counter{"produced", &MessageCounters::produced, "Messages enqueued."},
    Counter{"duplicates", &MessageCounters::duplicates,
            "Messages not enqueued because their chosen id was still there."},
    Counter{"completed", &MessageCounters::completed, "Messages handled and acknowledged."},
    Counter{"retried", &MessageCounters::retried, "Failed attempts that were scheduled again."},
    Counter{"dead", &MessageCounters::dead, "Messages that became dead letters."},
    Counter{"dropped", &MessageCounters::dropped, "Messages thrown away by configuration."},
    Counter{"expired", &MessageCounters::expired,
            "Messages that expired before a worker began them."},
    Counter{"cancelled", &MessageCounters::cancelled, "Messages removed by cancel."},
    Counter{"lease_lost", &MessageCounters::lease_lost,
            "Settlements refused because the lease had been lost."},
    Counter{"recovered", &MessageCounters::recovered, "Messages taken back from dead consumers."},
    Counter{"requeued", &MessageCounters::requeued, "Dead letters put back to work."},
    Counter{"removed", &MessageCounters::removed, "Dead letters removed or purged."},
};

/// One field of WaitingAges, and its name in JSON and in Prometheus.
struct Age {
  std::string_view name;
  std::optional<std::chrono::milliseconds> WaitingAges::*member;
};

inline constexpr std::array ages{
    Age{"high", &WaitingAges::high}, Age{"normal", &WaitingAges::normal},
    Age{"low", &WaitingAges::low},   Age{"suspect", &WaitingAges::suspect},
    Age{"due", &WaitingAges::due},
};

/// The reasons that Redis counts dead letters by.
inline constexpr std::array<std::string_view, 7> dead_reasons{
    "retries", "rejected", "expired", "decode", "poison", "interrupted", "other"};

}  // namespace mx_rmq::api
