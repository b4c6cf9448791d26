#pragma once

#include <coroutine>

#include "runtime/event_loop.hpp"

namespace mx_rmq::runtime {

/// A flag to wait for. set() wakes everybody who waits now and lets through everybody who comes
/// while it is set; waiters go on from the ready list, in the order they came, never inside set().
/// Who was woken stays woken, even if the flag is reset before it runs.
///
/// Loop thread only. If the Event is destroyed, or the loop shuts down, while somebody waits, the
/// waiters are resumed with ShutdownError; so is who begins to wait after that.
class Event {
 public:
  explicit Event(EventLoop& loop) noexcept : loop_(loop) {}
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  void set();
  void reset() noexcept { set_ = false; }
  bool is_set() const noexcept { return set_; }

  class Wait;
  class WaitToTheEnd;
  class WaitUntil;

  /// Awaitable: goes on once the flag is set, at once if it is.
  Wait wait() noexcept;
  /// The same for who has to wait while the loop shuts down, too, because what it waits for is
  /// told: the shutdown does not resume it.
  WaitToTheEnd wait_to_the_end() noexcept;
  /// Awaitable to bool: true if the flag was set, false if `deadline` came first.
  WaitUntil wait_until(TimePoint deadline) noexcept;

 private:
  class Waiter;

  void link(Waiter& waiter) noexcept;
  void unlink(Waiter& waiter) noexcept;

  EventLoop& loop_;
  bool set_ = false;
  Waiter* first_ = nullptr;
  Waiter* last_ = nullptr;
};

/// One who waits; lives in its coroutine's frame.
class Event::Waiter : public ShutdownListener {
 public:
  explicit Waiter(Event& event, bool told_of_shutdown = true) noexcept
      : event_(&event), told_of_shutdown_(told_of_shutdown) {}

  bool await_ready() noexcept;
  void await_suspend(std::coroutine_handle<> coroutine) { enter(coroutine, nullptr); }

 protected:
  enum class Outcome { waiting, set, timed_out, shut_down };

  ~Waiter() = default;
  void enter(std::coroutine_handle<> coroutine, const TimePoint* deadline);
  bool finish() const;

 private:
  friend Event;
  void leave(Outcome outcome);
  void on_shutdown() noexcept override;

  Event* event_;
  const bool told_of_shutdown_;
  Waiter* previous_ = nullptr;
  Waiter* next_ = nullptr;
  std::coroutine_handle<> coroutine_;
  TimerId timer_;
  Outcome outcome_ = Outcome::waiting;
};

class Event::Wait final : public Waiter {
 public:
  using Waiter::Waiter;
  void await_resume() const { finish(); }
};

class Event::WaitToTheEnd final : public Waiter {
 public:
  explicit WaitToTheEnd(Event& event) noexcept : Waiter(event, false) {}
  void await_resume() const { finish(); }
};

class Event::WaitUntil final : public Waiter {
 public:
  WaitUntil(Event& event, TimePoint deadline) noexcept : Waiter(event), deadline_(deadline) {}
  void await_suspend(std::coroutine_handle<> coroutine) { enter(coroutine, &deadline_); }
  bool await_resume() const { return finish(); }

 private:
  TimePoint deadline_;
};

inline Event::Wait Event::wait() noexcept { return Wait(*this); }
inline Event::WaitToTheEnd Event::wait_to_the_end() noexcept { return WaitToTheEnd(*this); }
inline Event::WaitUntil Event::wait_until(TimePoint deadline) noexcept {
  return WaitUntil(*this, deadline);
}

}  // namespace mx_rmq::runtime
