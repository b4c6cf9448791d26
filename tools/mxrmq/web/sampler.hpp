#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <mx_rmq/mx_rmq.hpp>
#include <stop_token>
#include <string>
#include <thread>

#include "web/event_source.hpp"

namespace mxrmq::web {

/// Looks at all topics every so often, while somebody watches, and tells all who do: what Redis is
/// asked does not depend on how many those are. If Redis does not answer, that is told, with since
/// when. A thread of its own, until it is destroyed; the queue must outlive it.
class Sampler {
 public:
  Sampler(mx_rmq::RedisMessageQueue& queue, std::chrono::milliseconds every);

  [[nodiscard]] std::shared_ptr<EventSource> events() const noexcept { return events_; }

 private:
  void work(const std::stop_token& stop);
  [[nodiscard]] std::string sample();

  mx_rmq::RedisMessageQueue& queue_;
  const std::chrono::milliseconds every_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::size_t watchers_ = 0;
  std::int64_t stale_since_ = 0;  // unix ms of the last good sample's end, once one failed
  std::int64_t good_at_ = 0;
  std::shared_ptr<EventSource> events_;
  std::jthread thread_;  // last: it uses the others
};

}  // namespace mxrmq::web
