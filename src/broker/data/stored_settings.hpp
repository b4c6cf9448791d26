#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace mx_rmq::broker {

/// What is set for a topic, as it is kept in Redis.
struct StoredSettings {
  /// Grows with each change, by more than one; no two changes have the same. 0: nothing was ever
  /// set.
  std::int64_t version = 0;
  int partitions = 1;  ///< that the topic is to have
  int active = 1;      ///< of those, so many are produced to; never more than `partitions`
  int ids_active = 1;  ///< by which ids, keys and groups are routed; never more than `active`
  /// Nothing is claimed before this ms of the server's clock; 0: the topic is not paused.
  std::int64_t paused_until = 0;
  /// Name and value of what this version of the library knows nothing of.
  std::vector<std::pair<std::string, std::string>> others;

  friend bool operator==(const StoredSettings&, const StoredSettings&) = default;
};

/// StoredSettings::paused_until of a topic that is paused until it is resumed.
inline constexpr std::int64_t paused_for_ever = 999'999'999'999'999;

}  // namespace mx_rmq::broker
