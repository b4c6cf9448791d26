#pragma once

#include <cstdint>

namespace mx_rmq {

/// What Admin::pause knows when it returns.
struct Paused {
  /// Everybody has answered.
  Paused();

  /// Consumers, of one partition each, that have not said that they begin nothing more: their
  /// process has died and nobody has taken over from it yet, it stands still, cannot be asked (no
  /// right to the channels), or uses an older version of the library. What such a one had claimed
  /// before the pause it may still begin, until it hears of the pause from its next claim or sweep
  /// (MQConfig::expired_check_interval), and only while its lease lasts. 0: nothing begins any
  /// more.
  std::int64_t unanswered = 0;
};

}  // namespace mx_rmq
