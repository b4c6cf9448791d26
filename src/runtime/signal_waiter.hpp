#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "mx_rmq/task.hpp"

#include "runtime/event_loop.hpp"

namespace mx_rmq::runtime {

/// Seam over the process's signals: while it lives, SIGINT and SIGTERM do not end the process but
/// complete wait(). Several at once, on any loops, are all told. When the last one is destroyed the
/// process's dispositions are what they were before the first.
///
/// Loop thread only, construction and destruction included.
class SignalWaiter {
 public:
  /// Throws std::system_error if a signal cannot be watched.
  explicit SignalWaiter(EventLoop& loop, std::vector<int> signals = default_signals());
  ~SignalWaiter();
  SignalWaiter(const SignalWaiter&) = delete;
  SignalWaiter& operator=(const SignalWaiter&) = delete;

  /// Which signal the first since construction was, or the second and so on (kept if it came
  /// before), or nothing after cancel(). Equal ones that come close together may be one. Throws
  /// ShutdownError if the loop shuts down or the waiter is destroyed first.
  Task<std::optional<int>> wait(std::size_t number = 1);
  void cancel();
  /// The first that has come, if any has.
  [[nodiscard]] std::optional<int> told() const;

  static std::vector<int> default_signals();  // SIGINT, SIGTERM

 private:
  struct State;

  static Task<std::optional<int>> wait_on(std::shared_ptr<State> state, std::size_t number);

  std::shared_ptr<State> state_;
};

}  // namespace mx_rmq::runtime
