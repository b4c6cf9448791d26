#include "runtime/loop_handles.hpp"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <system_error>

// Not under TSan: it sees neither timerfd_create nor how libuv closes files, so it takes the timer
// for a file that had its number before, and tells of races with that one's threads.
#ifdef __has_feature
#if __has_feature(thread_sanitizer)
#define MX_RMQ_NO_FINE_TIMER
#endif
#endif
#if defined(__linux__) && !defined(__SANITIZE_THREAD__) && !defined(MX_RMQ_NO_FINE_TIMER)
#define MX_RMQ_FINE_TIMER
#include <sys/timerfd.h>
#include <unistd.h>
#endif

namespace mx_rmq::runtime {

namespace {

using namespace std::chrono_literals;

// Up to here the fine timer is used; before, libuv's wakes us, which costs no call of the system.
constexpr Duration fine_from = 20ms;
constexpr Duration fine_before = 10ms;

std::uint64_t ceil_to_ms(Duration duration) {
  return static_cast<std::uint64_t>(std::chrono::ceil<std::chrono::milliseconds>(duration).count());
}

void check_uv(int result, const char* what) {
  if (result < 0) throw std::system_error(-result, std::generic_category(), what);
}

}  // namespace

EventLoop::Handles::Handles(Callbacks callbacks, uv_loop_t* host)
    : callbacks_(callbacks), loop_(host != nullptr ? host : &own_) {
  if (!is_guest()) check_uv(::uv_loop_init(loop_), "mx_rmq: cannot make an event loop");
  const int result = ::uv_async_init(loop_, &async_, [](uv_async_t* handle) {
    const auto& told = static_cast<Handles*>(handle->data)->callbacks_;
    told.woken(told.self);
  });
  if (result < 0) {
    if (!is_guest()) ::uv_loop_close(loop_);
    check_uv(result, "mx_rmq: cannot make an event loop's wake-up");
  }
  // The rest cannot fail.
  ::uv_timer_init(loop_, &timer_);
  ::uv_prepare_init(loop_, &prepare_);
  ::uv_check_init(loop_, &check_);
  ::uv_idle_init(loop_, &idle_);
  async_.data = timer_.data = fine_.data = prepare_.data = check_.data = idle_.data = this;
  open_fine_timer();
  ::uv_prepare_start(&prepare_, [](uv_prepare_t* handle) {
    const auto& told = static_cast<Handles*>(handle->data)->callbacks_;
    told.before_poll(told.self);
  });
  ::uv_check_start(&check_, [](uv_check_t* handle) {
    const auto& told = static_cast<Handles*>(handle->data)->callbacks_;
    told.after_poll(told.self);
  });
}

EventLoop::Handles::~Handles() {
  assert((closed_ || !is_guest()) && "what a program's loop has to close outlives this");
  if (!closed_) {
    close();
    run();
    close_loop();
  }
#ifdef MX_RMQ_FINE_TIMER
  if (fine_fd_ >= 0) ::close(fine_fd_);
#endif
}

// libuv's timers count in milliseconds from a reading of the clock that is cut to one, so they are
// up to a millisecond late: a tenth of a short pause.
void EventLoop::Handles::open_fine_timer() noexcept {
#ifdef MX_RMQ_FINE_TIMER
  fine_fd_ = ::timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
  if (fine_fd_ < 0) return;
  const auto tell = [](uv_poll_t* handle, int, int) {
    auto& self = *static_cast<Handles*>(handle->data);
    std::uint64_t times = 0;
    if (::read(self.fine_fd_, &times, sizeof times) < 0) return;  // set anew meanwhile
    self.fine_on_ = false;
    self.callbacks_.timer(self.callbacks_.self);
  };
  if (::uv_poll_init(loop_, &fine_, fine_fd_) == 0) {
    if (::uv_poll_start(&fine_, UV_READABLE, tell) == 0) {
      ++open_;
      return;
    }
    ::uv_close(reinterpret_cast<uv_handle_t*>(&fine_), nullptr);
  }
  ::close(fine_fd_);
  fine_fd_ = -1;
#endif
}

// 0: it is not to tell anything.
void EventLoop::Handles::set_fine_timer(Duration left) noexcept {
  if (left == Duration::zero() && !fine_on_) return;
#ifdef MX_RMQ_FINE_TIMER
  fine_on_ = left > Duration::zero();
  itimerspec when{};
  when.it_value.tv_nsec = left.count();
  ::timerfd_settime(fine_fd_, 0, &when, nullptr);
#endif
}

void EventLoop::Handles::leave(std::unique_ptr<Handles> handles) noexcept {
  Handles* const leaving = handles.release();  // freed by `closed`
  leaving->callbacks_.self = leaving;
  leaving->callbacks_.closed = [](void* self) noexcept { delete static_cast<Handles*>(self); };
  if (!leaving->closing_) leaving->close();
}

void EventLoop::Handles::wake() noexcept { ::uv_async_send(&async_); }

void EventLoop::Handles::keep_spinning(bool on) noexcept {
  if (on == spinning_) return;
  spinning_ = on;
  if (on) {
    ::uv_idle_start(&idle_, [](uv_idle_t*) {});
  } else {
    ::uv_idle_stop(&idle_);
  }
}

void EventLoop::Handles::start_timer(Duration left) noexcept {
  if (fine_fd_ >= 0 && left < fine_from) {
    ::uv_timer_stop(&timer_);
    set_fine_timer(std::max(left, Duration(1)));
    return;
  }
  set_fine_timer(Duration::zero());
  if (fine_fd_ >= 0) left -= fine_before;
  // libuv counts from its own reading of the clock, which may be old by now.
  ::uv_update_time(loop_);
  ::uv_timer_start(
      &timer_,
      [](uv_timer_t* handle) {
        const auto& told = static_cast<Handles*>(handle->data)->callbacks_;
        told.timer(told.self);
      },
      ceil_to_ms(left), 0);
}

void EventLoop::Handles::stop_timer() noexcept {
  ::uv_timer_stop(&timer_);
  set_fine_timer(Duration::zero());
}

void EventLoop::Handles::run() noexcept { ::uv_run(loop_, UV_RUN_DEFAULT); }

bool EventLoop::Handles::is_own(const uv_handle_t* handle) const noexcept {
  const void* const address = handle;
  return address == &async_ || address == &timer_ || address == &fine_ || address == &prepare_ ||
         address == &check_ || address == &idle_;
}

bool EventLoop::Handles::busy_with_others() noexcept {
  if (loop_->active_reqs.count > 0) return true;
  struct Search {
    const Handles* self;
    bool found;
  } search{this, false};
  ::uv_walk(
      loop_,
      [](uv_handle_t* handle, void* argument) {
        auto& search = *static_cast<Search*>(argument);
        if (!search.self->is_own(handle)) search.found = true;
      },
      &search);
  return search.found;
}

std::size_t EventLoop::Handles::close_others() noexcept {
  struct Closing {
    const Handles* self;
    std::size_t count;
  } closing{this, 0};
  ::uv_walk(
      loop_,
      [](uv_handle_t* handle, void* argument) {
        auto& closing = *static_cast<Closing*>(argument);
        if (closing.self->is_own(handle) || ::uv_is_closing(handle)) return;
        ++closing.count;
        ::uv_close(handle, nullptr);
      },
      &closing);
  return closing.count;
}

void EventLoop::Handles::close() noexcept {
  closing_ = true;
  for (auto* handle :
       {reinterpret_cast<uv_handle_t*>(&async_), reinterpret_cast<uv_handle_t*>(&timer_),
        reinterpret_cast<uv_handle_t*>(&prepare_), reinterpret_cast<uv_handle_t*>(&check_),
        reinterpret_cast<uv_handle_t*>(&idle_)}) {
    ::uv_close(handle, is_guest() ? on_closed : nullptr);
  }
  if (fine_fd_ >= 0)
    ::uv_close(reinterpret_cast<uv_handle_t*>(&fine_), is_guest() ? on_closed : nullptr);
  // A request that cannot be cancelled (a name being resolved) would keep uv_run() waiting.
  if (!is_guest() && loop_->active_reqs.count > 0) ::uv_stop(loop_);
}

void EventLoop::Handles::on_closed(uv_handle_t* handle) noexcept {
  auto& self = *static_cast<Handles*>(handle->data);
  if (--self.open_ > 0) return;
  self.closed_ = true;
  const Callbacks told = self.callbacks_;
  told.closed(told.self);
}

bool EventLoop::Handles::close_loop() noexcept {
  closed_ = true;
  return ::uv_loop_close(loop_) == 0;
}

}  // namespace mx_rmq::runtime
