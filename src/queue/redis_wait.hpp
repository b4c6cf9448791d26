#pragma once

#include <cstdint>
#include <memory>

#include "mx_rmq/config.hpp"
#include "mx_rmq/task.hpp"
#include "runtime/event_loop.hpp"

namespace mx_rmq::detail {
class QueueCore;
}

namespace mx_rmq::queue {

/// How a queue finds out at the beginning whether its Redis is there, and with
/// MQConfig::wait_for_redis waits for one that is not yet. Loop thread only. Part of its core.
class RedisWait {
 public:
  /// How long a call is willing to wait.
  struct Patience {
    std::uint64_t stops = 0;  // how many had been called before
    runtime::TimePoint until = runtime::TimePoint::max();
  };

  explicit RedisWait(detail::QueueCore& core) noexcept : core_(core) {}

  /// That of a call made now.
  [[nodiscard]] Patience patience(runtime::TimePoint until = runtime::TimePoint::max()) const {
    return Patience{stops_, until};
  }
  /// It has been stopped since, or its time is over.
  [[nodiscard]] bool is_over(const Patience& patience) const;
  /// The queue is being stopped: ends the waiting of all calls made so far.
  void give_up();

  /// Redis answers: within connect_timeout, or with wait_for_redis as late as it may be. Throws
  /// ShutdownError if the patience ended first.
  Task<> reach(Patience patience);

 private:
  struct Try;
  static Task<> try_to_reach(std::shared_ptr<detail::QueueCore> core, std::shared_ptr<Try> one,
                             runtime::TimePoint deadline);

  detail::QueueCore& core_;
  std::weak_ptr<Try> try_;   // the one under way
  std::uint64_t stops_ = 0;  // so far
};

}  // namespace mx_rmq::queue
