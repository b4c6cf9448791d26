#pragma once

#include <atomic>
#include <chrono>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "runtime/log.hpp"
#include "runtime/longest_lately.hpp"
#include "runtime/mono_clock.hpp"
#include "runtime/ready_list.hpp"
#include "runtime/shutdown_listener.hpp"
#include "runtime/timer_heap.hpp"

struct uv_loop_s;
typedef struct uv_loop_s uv_loop_t;

namespace mx_rmq::runtime {

class BlockingPool;
class LoopWatch;

/// Names a flush hook; the default value names none.
struct FlushHookId {
  std::uint64_t value = 0;
  explicit operator bool() const noexcept { return value != 0; }
};

/// The loop all of a Runtime's coroutines run on: libuv below, a ready list above.
///
/// A turn: timers and input only record what happened; before and after waiting for input the ready
/// list is drained, a bounded number of items at a time, and then the flush hooks run. So no
/// coroutine is ever resumed inside a callback from C, and one turn's writes leave together.
///
/// Threads: "loop thread" members may only be called there. The Runtime owns the loop, runs it and
/// outlives everything on it; nothing else may use it once the Runtime is being destroyed, except
/// that post() and schedule() then throw ShutdownError.
class EventLoop {
 public:
  using ErrorHandler = std::function<void(std::exception_ptr)>;

  /// Throws std::system_error if the system gives no loop (out of file descriptors).
  explicit EventLoop(const Clock& clock = Clock::real());
  /// A guest on a loop that the program runs, on the calling thread from now on. Throws
  /// std::logic_error if that is another one's loop thread, std::system_error.
  EventLoop(const Clock& clock, uv_loop_t* host);
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // --- any thread ---

  /// The loop whose thread is calling, else nullptr.
  static EventLoop* current() noexcept;
  bool on_loop_thread() const noexcept { return current() == this; }

  /// Hands work to the loop thread, in order per caller. One lock, and one wake-up a burst. Throws
  /// ShutdownError once the loop takes no more, std::logic_error in a forked child.
  void post(std::coroutine_handle<> coroutine);
  void post(std::function<void()> function);

  class Schedule;
  /// Awaitable: goes on on the loop thread; at once if already there. Throws as post() does.
  Schedule schedule() noexcept;

  class Back;
  /// Awaitable for who has awaited code of others, which may have ended on any thread: goes on on
  /// the loop thread; at once if already there. Does not throw: nothing of a loop that has ended
  /// may be touched, so then the coroutine stays suspended, with an error in the log.
  Back back() noexcept;

  /// Fresh, through the Clock seam.
  TimePoint now() const noexcept { return clock_.now(); }
  /// The wall clock, through the same seam.
  std::chrono::system_clock::time_point wall() const noexcept { return clock_.wall(); }

  /// For how long the loop has been busy since it last waited for input; zero while it waits.
  Duration stalled_for() const noexcept;
  /// When the loop last finished a turn.
  TimePoint last_turn() const noexcept {
    return TimePoint(Duration(last_turn_.load(std::memory_order_relaxed)));
  }

  /// Number of tasks in Scopes on this loop.
  std::int64_t live_tasks() const noexcept { return live_tasks_.load(std::memory_order_relaxed); }

  /// Takes an exception that nobody else can: hands it to the handler of set_error_handler() (by
  /// default an error line in the log, at most one a second) and counts it.
  void report(std::exception_ptr error) noexcept;
  void set_error_handler(ErrorHandler handler);
  std::uint64_t reported_errors() const noexcept {
    return reported_errors_.load(std::memory_order_relaxed);
  }

  // --- loop thread ---

  /// The longest time of the last minute for which it looked at no input.
  Duration lag() noexcept { return longest_turn_.get(clock_.now()); }

  /// Appends to the ready list.
  void defer(std::coroutine_handle<> coroutine);
  void defer(std::function<void()> function);

  class Yield;
  /// Awaitable: lets everything that is ready now go first, and input be looked at if there is
  /// much.
  Yield yield() noexcept;

  class NextTurn;
  /// Awaitable: goes on in the next turn, after what is ready now, its writes and the next input.
  NextTurn next_turn() noexcept;
  /// Tells one drain of the ready list from the others.
  std::uint64_t drains() const noexcept { return drains_; }
  /// When the present one began: about now, and costs no reading of the clock.
  TimePoint drain_began() const noexcept { return drain_began_; }

  /// Runs the callback from the ready list once `due` has come: never early, as a rule at most 1 ms
  /// late. Throws ShutdownError once the loop is stopping. Timers that are pending when the loop
  /// stops never run.
  TimerId call_at(TimePoint due, std::function<void()> callback);
  /// True if the callback has not begun to run, and now never will.
  bool cancel(TimerId id);

  /// Hooks run after each drain of the ready list, in the order they were added; they may add and
  /// remove hooks. They must not throw.
  FlushHookId add_flush_hook(std::function<void()> hook);
  void remove_flush_hook(FlushHookId id);

  /// True once shutdown has begun: nothing new should be started.
  bool stopping() const noexcept { return stopping_; }
  /// Told when shutdown begins. If it has begun already, throws ShutdownError instead.
  void add_listener(ShutdownListener& listener);
  void remove_listener(ShutdownListener& listener) noexcept { listeners_.remove(listener); }

  void task_started() noexcept { live_tasks_.fetch_add(1, std::memory_order_relaxed); }
  void task_ended() noexcept { live_tasks_.fetch_sub(1, std::memory_order_relaxed); }

  /// For src/redis/transport, and for SignalWaiter.
  uv_loop_t* uv() noexcept;
  /// Who opens a handle or begins a request there says so, and when it has ended, closed: on a
  /// program's loop nobody else can tell ours from the program's.
  void opened_on_uv() noexcept { ++open_on_uv_; }
  void ended_on_uv() noexcept { --open_on_uv_; }

  // --- for the Runtime ---

  BlockingPool* blocking_pool() const noexcept { return blocking_pool_; }
  void set_blocking_pool(BlockingPool* pool) noexcept { blocking_pool_ = pool; }
  LoopWatch* watch() const noexcept { return watch_; }
  void set_watch(LoopWatch* watch) noexcept { watch_ = watch; }

  /// Runs the loop on the calling thread until finish() and all handles are closed.
  void run();
  /// For who drives the loop by hand, on a clock of his own, instead of run(): one turn on the
  /// calling thread, without libuv. True if something is ready still.
  bool turn();
  /// When the earliest timer is due; between turns.
  std::optional<TimePoint> next_timer() const { return timers_.next(); }
  /// Any thread. Tells the listeners and drops the timers; the loop runs on.
  void begin_shutdown();
  /// Any thread, after begin_shutdown(). Lets run() return once nothing is ready and every handle
  /// that others opened is closed. Handles still open after `grace` are reported and closed.
  void finish(Duration grace);
  /// Of a guest, instead of run(): called on the loop thread after finish(), when all is closed. It
  /// may destroy the EventLoop.
  void when_ended(std::function<void()> ended) { ended_ = std::move(ended); }

 private:
  struct Handles;
  struct Hook {
    std::uint64_t id;
    std::function<void()> run;
  };

  void post_item(ReadyItem item);
  void go_back(std::coroutine_handle<> coroutine) noexcept;
  void take_posted() noexcept;
  void take_later();
  void before_poll() noexcept;
  void after_poll() noexcept;
  void run_ready(TimePoint now) noexcept;
  void run_item(ReadyItem& item);
  void run_flush_hooks() noexcept;
  void arm_timer(TimePoint now) noexcept;
  void close_if_finished(TimePoint now) noexcept;
  void expect_this_thread() const noexcept;
  void wake_if_waiting() noexcept;
  void expect_input() noexcept;
  void run_what_is_left() noexcept;
  void guest_ended() noexcept;

  const Clock& clock_;
  std::unique_ptr<Handles> handles_;
  BlockingPool* blocking_pool_ = nullptr;
  LoopWatch* watch_ = nullptr;
  const unsigned fork_generation_;

  // Loop thread only.
  ReadyList ready_;
  std::vector<std::coroutine_handle<>> later_;  // for the next turn
  std::uint64_t drains_ = 0;
  TimePoint drain_began_{};
  TimerHeap timers_;
  std::optional<TimePoint> armed_for_;
  ShutdownListeners listeners_;
  std::deque<Hook> hooks_;  // a hook that runs may add others: references must stay valid
  std::uint64_t last_hook_ = 0;
  std::vector<ReadyItem> taken_;  // keeps its memory between bursts
  bool stopping_ = false;
  std::optional<TimePoint> finish_by_;
  std::size_t open_on_uv_ = 0;
  std::function<void()> ended_;  // of a guest
  const bool guest_;
  LongestLately longest_turn_;
  bool waiting_ = false;  // a guest that has looked at its ready list before the loop waits

  // Any thread.
  std::mutex mutex_;
  std::vector<ReadyItem> posted_;  // under mutex_
  bool closed_ = false;            // under mutex_: the loop takes no more
  std::mutex handler_mutex_;
  std::shared_ptr<ErrorHandler> error_handler_;  // under handler_mutex_
  std::atomic<std::uint64_t> reported_errors_{0};
  log::Every report_gate_{std::chrono::seconds(1)};  // what repeats must not flood the log
  std::atomic<std::int64_t> live_tasks_{0};
  std::atomic<Duration::rep> busy_since_{0};  // 0: waiting for input
  std::atomic<Duration::rep> last_turn_{0};
};

class EventLoop::Schedule {
 public:
  explicit Schedule(EventLoop& loop) noexcept : loop_(loop) {}
  bool await_ready() const noexcept { return loop_.on_loop_thread(); }
  [[gnu::noinline]] void await_suspend(std::coroutine_handle<> coroutine) const {
    loop_.post(coroutine);
  }
  void await_resume() const noexcept {}

 private:
  EventLoop& loop_;
};

class EventLoop::Back {
 public:
  explicit Back(EventLoop& loop) noexcept : loop_(loop) {}
  bool await_ready() const noexcept { return loop_.on_loop_thread(); }
  [[gnu::noinline]] void await_suspend(std::coroutine_handle<> coroutine) const noexcept {
    loop_.go_back(coroutine);
  }
  void await_resume() const noexcept {}

 private:
  EventLoop& loop_;
};

class EventLoop::Yield {
 public:
  explicit Yield(EventLoop& loop) noexcept : loop_(loop) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> coroutine) const { loop_.defer(coroutine); }
  void await_resume() const noexcept {}

 private:
  EventLoop& loop_;
};

class EventLoop::NextTurn {
 public:
  explicit NextTurn(EventLoop& loop) noexcept : loop_(loop) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> coroutine) const {
    loop_.later_.push_back(coroutine);
    loop_.wake_if_waiting();
  }
  void await_resume() const noexcept {}

 private:
  EventLoop& loop_;
};

// What a program's own callbacks do between our look at the ready list and the wait for input must
// not wait for that.
inline void EventLoop::wake_if_waiting() noexcept {
  if (waiting_) expect_input();
}

inline EventLoop::Schedule EventLoop::schedule() noexcept { return Schedule(*this); }
inline EventLoop::Back EventLoop::back() noexcept { return Back(*this); }
inline EventLoop::Yield EventLoop::yield() noexcept { return Yield(*this); }
inline EventLoop::NextTurn EventLoop::next_turn() noexcept { return NextTurn(*this); }

}  // namespace mx_rmq::runtime
