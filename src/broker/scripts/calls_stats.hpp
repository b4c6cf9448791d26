#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "broker/data/keys.hpp"
#include "redis/wire/command.hpp"
#include "redis/wire/reply.hpp"

/// Looking without touching. Pure.
namespace mx_rmq::broker {

struct ConsumerLease {
  std::string consumer;
  std::int64_t until = 0;  ///< unix ms; 0 = being reaped
};

struct StatsResult {
  std::int64_t now = 0;
  std::array<std::int64_t, list_count>
      waiting{};  ///< by List; cancelled elements count until they leave
  std::int64_t delayed = 0;
  std::int64_t dead = 0;
  std::int64_t consumers = 0;
  std::int64_t lapsed = 0;  ///< consumers whose lease ran out
  /// produced, duplicates, completed, retried, dead, dropped, expired, cancelled, discarded, removed,
  /// requeued, lease_lost, recovered; one that is not there is 0. `alarm` is not among them.
  std::map<std::string, std::int64_t, std::less<>> counters;
  std::int64_t alarm = 0;             ///< due ms of the alarm; 0 = none
  std::vector<ConsumerLease> leases;  ///< the soonest first, as many as were asked for

  [[nodiscard]] std::int64_t counter(std::string_view name) const;
};
[[nodiscard]] redis::Command make_stats(const TopicKeys& keys, int most_consumers);
[[nodiscard]] StatsResult read_stats(redis::Reply&& reply);

enum class AuditState : std::uint8_t {
  ok,
  changed,  ///< other consumers than those named: ask again
  large     ///< more messages than allowed
};
struct AuditReport {
  AuditState state = AuditState::ok;
  /// The names of lua/audit.lua; of a `large` one only "messages".
  std::map<std::string, std::int64_t, std::less<>> numbers;

  [[nodiscard]] std::int64_t number(std::string_view name) const;
  /// Each message is in one place, each index has its data, and the counters agree.
  [[nodiscard]] bool sound() const;
};
[[nodiscard]] redis::Command make_audit(const TopicKeys& keys, std::int64_t most,
                                        std::span<const std::string> consumers);
[[nodiscard]] AuditReport read_audit(redis::Reply&& reply);

}  // namespace mx_rmq::broker
