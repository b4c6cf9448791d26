// Waiting for a condition, with a deadline: what tests use in place of a sleep.
#pragma once

#include <chrono>
#include <thread>

namespace mx_rmq::test {

using WaitClock = std::chrono::steady_clock;

// Polls `predicate` until it is true (-> true) or `deadline` has passed (-> its last value).
template <class Predicate>
bool wait_until(WaitClock::time_point deadline, Predicate predicate,
                std::chrono::microseconds interval = std::chrono::milliseconds(1)) {
  while (!predicate()) {
    if (WaitClock::now() >= deadline) return static_cast<bool>(predicate());
    std::this_thread::sleep_for(interval);
  }
  return true;
}

// The same, for at most `timeout` from now.
template <class Predicate>
bool wait_for(std::chrono::milliseconds timeout, Predicate predicate,
              std::chrono::microseconds interval = std::chrono::milliseconds(1)) {
  return wait_until(WaitClock::now() + timeout, predicate, interval);
}

}  // namespace mx_rmq::test
