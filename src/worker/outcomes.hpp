#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>

#include "broker/data/history.hpp"
#include "mx_rmq/config.hpp"
#include "mx_rmq/duration_histogram.hpp"
#include "runtime/event_loop.hpp"
#include "runtime/log.hpp"
#include "worker/run.hpp"
#include "worker/run_times.hpp"
#include "worker/source.hpp"

namespace mx_rmq::worker {

/// What becomes of a message when its run has ended, or before it has begun: decided by the policy
/// of its topic, entered into its history, and settled by its consumer. Keeps the figures of the
/// runs. Loop thread only.
class Outcomes {
 public:
  Outcomes(runtime::EventLoop& loop, const MQConfig& config);

  void add(const Topic& topic);

  /// Settles a message that never started if it has expired at `now` (ms, server's clock) or is no
  /// envelope. True if it did.
  bool settle_unfit(const std::shared_ptr<Delivery>& delivery, std::int64_t now);
  /// Gives back a message that has not started, to the head of its list, uncounted.
  static void release(std::shared_ptr<Delivery> delivery);
  /// Its run has ended, or is given up. Nothing is settled if the message was lost.
  void conclude(Run& run, const Outcome& outcome);
  /// Failures are interruptions from now on: the queue has fired the stop tokens.
  void interrupt() noexcept { interrupting_ = true; }
  [[nodiscard]] bool interrupting() const noexcept { return interrupting_; }

  [[nodiscard]] const RunTimes& times(const Topic& topic) const { return of(topic).times; }
  /// How long the runs took that ended so.
  [[nodiscard]] const DurationHistogram& runs(const Topic& topic, Outcome::Kind kind) const {
    return of(topic).runs[static_cast<std::size_t>(kind)];
  }
  /// From when a message was due to the start of its first run.
  [[nodiscard]] const DurationHistogram& waits(const Topic& topic) const { return of(topic).waits; }
  [[nodiscard]] double completed_per_minute() { return completed_.per_minute(loop_.now()); }
  /// For log lines about what becomes of messages: handlers that always fail must not flood the
  /// log.
  [[nodiscard]] runtime::log::Every& gate(const Topic& topic) { return of(topic).gate; }

 private:
  struct Record {
    RunTimes times;
    std::array<DurationHistogram, Outcome::kinds> runs;
    DurationHistogram waits;
    runtime::log::Every gate{std::chrono::seconds(5)};
  };
  [[nodiscard]] Record& of(const Topic& topic) { return records_[topic.id]; }
  [[nodiscard]] const Record& of(const Topic& topic) const { return records_[topic.id]; }

  void measure(const Delivery& delivery, Outcome::Kind kind, runtime::Duration took);
  void settle_unreadable(const std::shared_ptr<Delivery>& delivery);
  void expire(const std::shared_ptr<Delivery>& delivery);
  void make_dead(const std::shared_ptr<Delivery>& delivery, const char* reason,
                 broker::History history, int failures);
  void go_round_again(const Run& run, const Decision& decision, const broker::History& history,
                      int failures);

  runtime::EventLoop& loop_;
  const MQConfig& config_;
  std::deque<Record> records_;  // by topic
  Throughput completed_;
  bool interrupting_ = false;
};

}  // namespace mx_rmq::worker
