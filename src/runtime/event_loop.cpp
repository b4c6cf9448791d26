#include "runtime/event_loop.hpp"

#include <algorithm>
#include <exception>
#include <new>
#include <stdexcept>
#include <utility>

#include "mx_rmq/errors.hpp"

#include "runtime/fork_guard.hpp"
#include "runtime/loop_handles.hpp"

namespace mx_rmq::runtime {

namespace {

// Items of the ready list that run before input is looked at again.
constexpr std::size_t items_a_drain = 1024;

// libuv's clock stands still while the machine is suspended and ours does not, so the sleep before
// a timer is cut to this.
constexpr Duration longest_sleep = std::chrono::seconds(5);

thread_local EventLoop* current_loop = nullptr;

}  // namespace

EventLoop::EventLoop(const Clock& clock) : EventLoop(clock, nullptr) {}

EventLoop::EventLoop(const Clock& clock, uv_loop_t* host)
    : clock_(clock), fork_generation_(fork_generation()), guest_(host != nullptr) {
  if (guest_ && current_loop != nullptr)
    throw std::logic_error("mx_rmq: this thread runs the loop of a Runtime already");
  const Handles::Callbacks callbacks{
      this,
      [](void* self) noexcept { static_cast<EventLoop*>(self)->take_posted(); },
      [](void* self) noexcept { static_cast<EventLoop*>(self)->armed_for_.reset(); },
      [](void* self) noexcept { static_cast<EventLoop*>(self)->before_poll(); },
      [](void* self) noexcept { static_cast<EventLoop*>(self)->after_poll(); },
      [](void* self) noexcept { static_cast<EventLoop*>(self)->guest_ended(); },
  };
  handles_ = std::make_unique<Handles>(callbacks, host);
  if (guest_) current_loop = this;
  last_turn_.store(clock_.now().time_since_epoch().count(), std::memory_order_relaxed);
}

EventLoop::~EventLoop() {
  if (!guest_ || handles_->closed()) return;
  Handles::leave(std::move(handles_));
  if (current_loop == this) current_loop = nullptr;
}

// Not inlined: a coroutine may ask before and after it has changed threads.
[[gnu::noinline]] EventLoop* EventLoop::current() noexcept { return current_loop; }

// --- any thread
// -----------------------------------------------------------------------------------

void EventLoop::post(std::coroutine_handle<> coroutine) { post_item(coroutine); }
void EventLoop::post(std::function<void()> function) { post_item(std::move(function)); }

void EventLoop::post_item(ReadyItem item) {
  if (on_loop_thread()) {
    ready_.push(std::move(item));
    return wake_if_waiting();
  }
  refuse_after_fork(fork_generation_);
  const std::lock_guard lock(mutex_);
  if (closed_) throw ShutdownError("mx_rmq: the Runtime has ended");
  posted_.push_back(std::move(item));
  // Under the lock, so that the handle cannot be closed in between. The coroutine may already be
  // running when this returns; nothing of it is touched.
  if (posted_.size() == 1) handles_->wake();
}

void EventLoop::go_back(std::coroutine_handle<> coroutine) noexcept {
  try {
    post(coroutine);
  } catch (const std::bad_alloc&) {
    std::terminate();  // who waits for this coroutine would wait for ever
  } catch (const std::exception& error) {
    log::error("a coroutine cannot go back to its loop and stays suspended", "why", error.what());
  }
}

Duration EventLoop::stalled_for() const noexcept {
  const Duration since(busy_since_.load(std::memory_order_relaxed));
  if (since == Duration::zero()) return Duration::zero();
  return std::max(clock_.now().time_since_epoch() - since, Duration::zero());
}

void EventLoop::report(std::exception_ptr error) noexcept {
  reported_errors_.fetch_add(1, std::memory_order_relaxed);
  try {
    std::shared_ptr<ErrorHandler> handler;
    {
      const std::lock_guard lock(handler_mutex_);
      handler = error_handler_;
    }
    if (handler) return (*handler)(std::move(error));
    std::rethrow_exception(std::move(error));
  } catch (const std::exception& e) {
    log::error(report_gate_, "an exception reached the event loop", "what", e.what());
  } catch (...) {
    log::error(report_gate_, "an exception reached the event loop", "what", "of an unknown type");
  }
}

void EventLoop::set_error_handler(ErrorHandler handler) {
  auto shared = handler ? std::make_shared<ErrorHandler>(std::move(handler)) : nullptr;
  const std::lock_guard lock(handler_mutex_);
  error_handler_.swap(shared);
}

void EventLoop::begin_shutdown() {
  post([this] {
    stopping_ = true;
    timers_.clear();
    listeners_.tell_all();
  });
}

void EventLoop::finish(Duration grace) {
  post([this, grace] { finish_by_ = clock_.now() + grace; });
}

// --- loop thread
// ----------------------------------------------------------------------------------

void EventLoop::defer(std::coroutine_handle<> coroutine) {
  ready_.push(coroutine);
  wake_if_waiting();
}

void EventLoop::defer(std::function<void()> function) {
  ready_.push(std::move(function));
  wake_if_waiting();
}

TimerId EventLoop::call_at(TimePoint due, std::function<void()> callback) {
  if (stopping_) throw ShutdownError("mx_rmq: the Runtime is ending");
  wake_if_waiting();
  return timers_.add(due, std::move(callback));
}

bool EventLoop::cancel(TimerId id) { return timers_.cancel(id); }

FlushHookId EventLoop::add_flush_hook(std::function<void()> hook) {
  hooks_.push_back(Hook{++last_hook_, std::move(hook)});
  return FlushHookId{last_hook_};
}

void EventLoop::remove_flush_hook(FlushHookId id) {
  // Emptied only: this may be called from a hook. run_flush_hooks() takes it out.
  for (Hook& hook : hooks_) {
    if (hook.id == id.value) hook.id = 0;
  }
}

void EventLoop::add_listener(ShutdownListener& listener) {
  if (stopping_) throw ShutdownError("mx_rmq: the Runtime is ending");
  listeners_.add(listener);
}

uv_loop_t* EventLoop::uv() noexcept { return handles_->loop(); }

void EventLoop::run() {
  current_loop = this;
  handles_->run();
  run_what_is_left();
  if (!handles_->close_loop()) {
    log::error("the event loop could not be freed: a request to the system has not ended");
    static_cast<void>(handles_.release());  // the system may still write to it
  }
  current_loop = nullptr;
}

// Closing may have made some coroutines ready. Nothing more can come from outside.
void EventLoop::run_what_is_left() noexcept {
  take_later();
  while (!ready_.empty()) {
    run_ready(clock_.now());
    take_later();
  }
  hooks_.clear();
}

void EventLoop::guest_ended() noexcept {
  run_what_is_left();
  current_loop = nullptr;
  const std::function<void()> ended = std::move(ended_);
  if (ended) ended();  // nothing of this may be left
}

void EventLoop::expect_input() noexcept {
  waiting_ = false;
  handles_->wake();
}

void EventLoop::expect_this_thread() const noexcept {
  if (on_loop_thread()) return;
  log::error("the loop that was given to Runtime::on() is run by another thread than gave it");
  std::terminate();
}

bool EventLoop::turn() {
  EventLoop* const outer = std::exchange(current_loop, this);
  take_posted();
  take_later();
  run_ready(clock_.now());
  current_loop = outer;
  return !ready_.empty() || !later_.empty();
}

void EventLoop::take_later() {
  for (const std::coroutine_handle<> coroutine : later_) ready_.push(coroutine);
  later_.clear();
}

void EventLoop::take_posted() noexcept {
  {
    const std::lock_guard lock(mutex_);
    taken_.swap(posted_);
  }
  for (ReadyItem& item : taken_) ready_.push(std::move(item));
  taken_.clear();
}

void EventLoop::before_poll() noexcept {
  if (guest_) expect_this_thread();
  run_ready(clock_.now());
  const TimePoint now = clock_.now();
  handles_->keep_spinning(!ready_.empty() || !later_.empty());
  if (finish_by_) {
    close_if_finished(now);
  } else {
    arm_timer(now);
  }
  if (const Duration::rep since = busy_since_.load(std::memory_order_relaxed); since != 0)
    longest_turn_.add(now, now.time_since_epoch() - Duration(since));
  last_turn_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
  busy_since_.store(0, std::memory_order_relaxed);
  waiting_ = guest_;
}

void EventLoop::after_poll() noexcept {
  waiting_ = false;
  const TimePoint now = clock_.now();
  busy_since_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
  take_later();
  run_ready(now);
}

void EventLoop::run_ready(TimePoint now) noexcept {
  ++drains_;
  drain_began_ = now;
  while (const auto due = timers_.pop_due(now)) ready_.push(*due);
  // A handler that posts to itself for ever must not keep input out.
  for (std::size_t left = items_a_drain; left > 0 && !ready_.empty(); --left) {
    try {
      ReadyItem item = ready_.pop();
      run_item(item);
    } catch (...) {
      report(std::current_exception());
    }
  }
  run_flush_hooks();
}

void EventLoop::run_item(ReadyItem& item) {
  if (const auto* coroutine = std::get_if<std::coroutine_handle<>>(&item)) {
    coroutine->resume();
  } else if (const auto* timer = std::get_if<TimerId>(&item)) {
    if (const auto callback = timers_.take(*timer)) callback();
  } else {
    std::get<std::function<void()>>(item)();
  }
}

void EventLoop::run_flush_hooks() noexcept {
  bool removed = false;
  // By index: a hook may add hooks.
  for (std::size_t i = 0; i < hooks_.size(); ++i) {
    if (hooks_[i].id == 0) {
      removed = true;
      continue;
    }
    try {
      hooks_[i].run();
    } catch (...) {
      report(std::current_exception());
    }
  }
  if (removed) std::erase_if(hooks_, [](const Hook& hook) { return hook.id == 0; });
}

void EventLoop::arm_timer(TimePoint now) noexcept {
  const auto next = timers_.next();
  if (next == armed_for_) return;
  armed_for_ = next;
  if (!next) return handles_->stop_timer();
  handles_->start_timer(std::clamp(*next - now, Duration::zero(), longest_sleep));
}

void EventLoop::close_if_finished(TimePoint now) noexcept {
  if (!ready_.empty() || !later_.empty() || handles_->closing()) return;
  const bool overdue = now >= *finish_by_;
  const bool busy = guest_ ? open_on_uv_ > 0 : handles_->busy_with_others();
  // A program's loop goes on, and what it still has of ours with it.
  if (busy && (guest_ || !overdue)) {
    const Duration left = overdue ? longest_sleep : std::min(*finish_by_ - now, longest_sleep);
    return handles_->start_timer(left);
  }
  {
    const std::lock_guard lock(mutex_);
    if (!posted_.empty()) return;
    closed_ = true;
  }
  if (const auto tasks = live_tasks(); tasks > 0) {
    log::error("the event loop ends while tasks still wait on it", "tasks", tasks);
  }
  if (const auto count = guest_ ? 0 : handles_->close_others(); count > 0) {
    log::error("the event loop ends with handles that nobody closed", "handles", count);
  }
  handles_->close();
}

}  // namespace mx_rmq::runtime
