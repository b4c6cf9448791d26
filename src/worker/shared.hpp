#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "broker/topic_broker.hpp"
#include "mx_rmq/config.hpp"
#include "mx_rmq/detail/erase_handler.hpp"
#include "redis/connection/seams.hpp"
#include "redis/topology/client.hpp"
#include "runtime/event_loop.hpp"
#include "runtime/log.hpp"
#include "runtime/scope.hpp"
#include "worker/consumer.hpp"
#include "worker/local_queue.hpp"
#include "worker/quarantine.hpp"
#include "worker/retry_policy.hpp"
#include "worker/run_times.hpp"

namespace mx_rmq::worker {

/// Everything of one topic that this queue consumes.
struct Topic {
  Topic(runtime::EventLoop& loop, redis::Lane& lane, redis::ServerClock& clock,
        broker::TopicKeys keys)
      : broker(loop, lane, clock, std::move(keys)) {}

  std::size_t id = 0;
  std::string name;
  detail::ErasedHandler handler;
  Policy policy;
  std::size_t max_concurrency = 0;  // 0 = none of its own

  broker::TopicBroker broker;
  std::unique_ptr<Consumer> consumer;

  // Claimer.
  bool wanted = true;  // there may be something to claim
  bool again = false;  // asked for while a claim was under way
  bool claiming = false;
  bool backlog = false;    // the last claim left something: no marker is needed to know
  bool queued_up = false;  // in the claimer's ring
  bool alarm_due = false;
  std::size_t reserved = 0;  // room that a claim under way may fill
  static constexpr std::size_t kExpectedAtFirst = 128;
  std::size_t expected = kExpectedAtFirst;  // the most that the next claim asks for
  runtime::TimerId alarm;
  runtime::TimerId retry;         // until then no claim is made
  runtime::Duration pause{0};     // the last one after a failure
  runtime::TimePoint claimed_at;  // when the last claim was answered

  // Runner.
  std::size_t running = 0;
  RunTimes times;
  bool starved = false;  // no blocking thread came free in time: none is claimed until one does

  bool suspects = false;  // some wait, as far as the last reply tells
  bool reaping = false;

  // The marker, which was taken: a duty until a claim that was sent later is answered, or it is armed again.
  bool marker = false;
  bool marker_is_newer =
      false;               // than the claim under way, which may not have seen what it stands for
  std::size_t arming = 0;  // times that it is being armed again
  bool left = false;       // this consumer says goodbye, or has done so

  std::int64_t dead_letters = -1;  // as last told
  bool warned_dead_letters = false;
  runtime::log::Every outcome_gate{std::chrono::seconds(5)};
};

/// What the parts of a worker have in common. Loop thread only, but for the atomics.
struct Shared {
  Shared(runtime::EventLoop& loop_of, std::shared_ptr<redis::Client> client_of, MQConfig config_of,
         Quarantine& quarantine_of)
      : loop(loop_of),
        client(std::move(client_of)),
        config(std::move(config_of)),
        quarantine(quarantine_of) {}

  runtime::EventLoop& loop;
  const std::shared_ptr<redis::Client> client;
  const MQConfig config;
  std::vector<std::unique_ptr<Topic>> topics;
  LocalQueue queue;
  std::size_t reserved = 0;  // room that claims under way may fill
  Quarantine& quarantine;
  Quarantine::MemberId member = 0;

  bool consuming = false;   // claims are made
  bool stopping = false;    // nothing starts any more
  std::size_t resting = 0;  // topics of which nothing runs

  std::function<void()> work;        // look again, soon, what can be claimed, started or waited for
  std::function<void(Topic&)> want;  // there may be something to claim in this topic

  // For status() and metrics, from any thread.
  std::atomic<std::size_t> queued{0};
  std::atomic<std::size_t> active{0};  // have a worker
  /// Those among them that wait for a blocking thread. The threads hold it too.
  const std::shared_ptr<std::atomic<std::int64_t>> threadless =
      std::make_shared<std::atomic<std::int64_t>>(0);
  std::atomic<std::int64_t> zombies{0};
  Throughput completed;

  /// Uniform between the two.
  [[nodiscard]] runtime::Duration jitter(runtime::Duration low, runtime::Duration high) {
    const auto span = static_cast<std::uint64_t>((high - low).count()) + 1;
    return low + runtime::Duration(static_cast<std::int64_t>(client->rng().next() % span));
  }
  [[nodiscard]] std::int64_t server_now() const { return client->clock().now_ms(); }
  [[nodiscard]] std::int64_t server_at(runtime::TimePoint at) const {
    return client->clock().at_ms(at);
  }
  [[nodiscard]] std::size_t waiting_for_threads() const noexcept {
    const std::int64_t waiting = threadless->load(std::memory_order_relaxed);
    return waiting > 0 ? static_cast<std::size_t>(waiting) : 0;
  }
  /// Handlers that run now. Any thread, as the next.
  [[nodiscard]] std::size_t handlers_active() const noexcept {
    const std::size_t all = active.load(std::memory_order_relaxed);
    return all - std::min(all, waiting_for_threads());
  }
  /// Messages that were claimed and have not started.
  [[nodiscard]] std::size_t not_started() const noexcept {
    return queued.load(std::memory_order_relaxed) + waiting_for_threads();
  }
  void note_queue() { queued.store(queue.size(), std::memory_order_relaxed); }
};

}  // namespace mx_rmq::worker
