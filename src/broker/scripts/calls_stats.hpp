#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "broker/scripts/script_call.hpp"

namespace mx_rmq::broker {

struct ConsumerLease {
  std::string consumer;
  std::int64_t until = 0;  ///< unix ms; 0 = being reaped
};

/// How many messages are where, the counters, the consumers. Changes nothing.
struct Stats {
  static constexpr const lua::Script& script = lua::stats;
  static constexpr Resend resend = Resend::until_deadline;

  struct Args {
    int most_consumers = 0;  ///< named in the reply
  };
  struct Reply {
    std::int64_t now = 0;
    std::array<std::int64_t, list_count>
        ready{};  ///< by List; cancelled elements count until they leave
    std::int64_t delayed = 0;
    std::int64_t dead = 0;
    std::int64_t consumers = 0;
    std::int64_t lapsed = 0;  ///< consumers whose lease ran out
    /// Unix ms at which the message at the head of each list, by List, was first due; -1 = none.
    std::array<std::int64_t, list_count> first_due{};
    std::int64_t next_due = -1;  ///< unix ms at which the first delayed one is due; -1 = none
    /// produced, duplicates, completed, retried, dead, dropped, expired, cancelled, discarded,
    /// removed, requeued, lease_lost, recovered, dead:<reason>; one that is not there is 0. `alarm`
    /// is not among them.
    std::map<std::string, std::int64_t, std::less<>> counters;
    std::int64_t alarm = 0;             ///< due ms of the alarm; 0 = none
    std::vector<ConsumerLease> leases;  ///< the soonest first, as many as were asked for

    [[nodiscard]] std::int64_t counter(std::string_view name) const;
  };

  [[nodiscard]] static redis::Command encode(const TopicKeys& keys, const Args& args);
  [[nodiscard]] static Reply decode(redis::Reply&& reply);
};

}  // namespace mx_rmq::broker
