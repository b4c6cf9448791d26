#pragma once

#include <condition_variable>
#include <coroutine>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include <signal.h>

#include "runtime/event_loop.hpp"

namespace mx_rmq::runtime {

/// Asks a loop to answer, and says so when it does not in time. It has one thread for all
/// questions, started by the first one; nothing that keeps the blocking pool busy holds it up. Any
/// thread.
class LoopWatch {
 public:
  /// A loop that has not come round in this time is stalled.
  static constexpr std::chrono::seconds patience{1};

  /// The thread gets `name` and the signal mask `signals`.
  LoopWatch(EventLoop& loop, std::string name, const sigset_t& signals);
  ~LoopWatch();
  LoopWatch(const LoopWatch&) = delete;
  LoopWatch& operator=(const LoopWatch&) = delete;

  class Ask;
  /// Awaitable to bool: false, on the loop thread, when the loop has answered; true when it has not
  /// in time, on the watching thread, which must not be blocked. Where the system has no thread
  /// left it tells of a loop that is stalled already, at once and on the thread it was awaited on,
  /// and waits for any other. Throws as EventLoop::post().
  Ask ask() noexcept;

  /// Ends the thread; the loop must answer what is open. Not on that thread.
  void shutdown() noexcept;
  /// True on its thread.
  bool on_watching_thread() const noexcept;

 private:
  struct Question;

  bool add(const std::shared_ptr<Question>& question);
  bool stalled_already() const noexcept { return loop_.stalled_for() >= patience; }
  void work();

  EventLoop& loop_;
  const std::string name_;
  const sigset_t signals_;

  std::mutex mutex_;  // guards all that follows
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Question>> open_;  // the oldest first
  std::thread thread_;
  bool ending_ = false;
};

class LoopWatch::Ask {
 public:
  explicit Ask(LoopWatch& watch) noexcept : watch_(watch) {}

  bool await_ready() const noexcept { return watch_.loop_.on_loop_thread(); }
  bool await_suspend(std::coroutine_handle<> coroutine);
  bool await_resume() const noexcept { return stalled_; }

 private:
  LoopWatch& watch_;
  bool stalled_ = false;
};

inline LoopWatch::Ask LoopWatch::ask() noexcept { return Ask(*this); }

}  // namespace mx_rmq::runtime
