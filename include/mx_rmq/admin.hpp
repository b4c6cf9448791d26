#pragma once

#include <memory>
#include <string>
#include <vector>

#include "mx_rmq/diagnosis.hpp"
#include "mx_rmq/task.hpp"

namespace mx_rmq {

namespace detail {
class QueueCore;
}  // namespace detail

/// What operators and tools need beside metrics and dead letters.
///
/// It is a cheap handle: copies speak to the same queue. They may outlive the queue; every call
/// then ends with ShutdownError. Thread-safe; each Task ends on the loop thread of the queue's
/// Runtime, and throws ConnectionError, TimeoutError or ServerError.
class Admin {
 public:
  /// The topics of this queue_prefix that messages were produced to or a handler was registered
  /// for, by whichever process, sorted. One that forget() removed is not among them; one of the
  /// last second may not be yet. Read in steps of 1,000.
  Task<std::vector<std::string>> topics();

  /// What a service would trip over at this Redis, before it does: how each master is set up
  /// (eviction, memory, persistence, replicas, clock, connections), and topics whose messages wait
  /// for nobody. It needs the right to INFO, and shows more with CONFIG GET; what could not be
  /// looked at is a finding too. A few commands a server and a topic, none of which takes longer
  /// for more messages. In the order of servers, then topics.
  Task<std::vector<Finding>> diagnose();

 private:
  friend class RedisMessageQueue;
  explicit Admin(std::shared_ptr<detail::QueueCore> core) noexcept;

  std::shared_ptr<detail::QueueCore> core_;
};

}  // namespace mx_rmq
