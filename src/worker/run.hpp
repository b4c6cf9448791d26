#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <stop_token>

#include "mx_rmq/handler.hpp"
#include "mx_rmq/message.hpp"
#include "runtime/blocking_pool.hpp"
#include "runtime/event_loop.hpp"
#include "worker/delivery.hpp"
#include "worker/retry_policy.hpp"

namespace mx_rmq::worker {

/// One run of a handler, shared by whoever runs it, its context, and the deadline. What a blocking
/// handler reads from its thread is constant or atomic. When a run has ended and nobody refers to
/// it any more, its worker uses it for the next one: begin() makes it as new.
struct Run : std::enable_shared_from_this<Run> {
  explicit Run(runtime::EventLoop& loop_of);

  void begin(std::shared_ptr<Delivery> of);
  /// Whether its handler has been called. Brings the delivery up to date, which a blocking thread
  /// cannot. Loop thread.
  bool has_begun();
  /// Reads the headers and the payload. Throws detail::PayloadDecodeError.
  void decode();
  /// Forgets the message, keeps the memory.
  void clear();

  runtime::EventLoop& loop;
  std::shared_ptr<Delivery> delivery;
  Message message;  // complete before the handler starts
  int attempt = 1;
  int max_attempts = 1;
  std::atomic<runtime::Duration::rep> deadline{0};  // of the monotonic clock
  bool over = false;  // loop thread: its outcome does not count any more
  Context context;    // what the handler gets; refers to this run

  // Of a run on a blocking thread.
  runtime::JobId job;  // loop thread: it waits for a thread, or has had one
  static constexpr runtime::Duration::rep never = -1;
  /// When it began, of the monotonic clock. 0: it waits still; `never`: it was given back before
  /// its turn, and its handler is not called any more. Set once.
  std::atomic<runtime::Duration::rep> began{0};
  bool expired = false;      // it had when it began, and the handler was not called; constant then
  std::exception_ptr error;  // the thread's until its end is told

  /// What a blocking thread does: calls the handler, with its deadline `timeout` from now.
  /// `submitted` is when the run began to wait for the thread; it is taken off `waiting`.
  void call(const std::function<void(Context&)>& handler, runtime::TimePoint submitted,
            runtime::Duration timeout, std::atomic<std::int64_t>& waiting) noexcept;

  [[nodiscard]] runtime::TimePoint due() const noexcept {
    return runtime::TimePoint(runtime::Duration(deadline.load(std::memory_order_relaxed)));
  }
};

/// Fills everything of the message but what Run::decode() reads.
void describe(Message& message, const std::string& topic, const Delivery& delivery,
              const Policy& policy);

/// The context of that run, which it keeps alive.
std::shared_ptr<Context> context_of(const std::shared_ptr<Run>& run);

}  // namespace mx_rmq::worker
