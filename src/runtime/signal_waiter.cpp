#include "runtime/signal_waiter.hpp"

#include <map>
#include <mutex>
#include <system_error>
#include <utility>

#include <signal.h>
#include <uv.h>

#include "mx_rmq/errors.hpp"

#include "runtime/event.hpp"

namespace mx_rmq::runtime {

namespace {

/// libuv resets a signal to its default when its last watcher goes; the program may have had a
/// handler of its own before the first one came. Any thread.
class Dispositions {
 public:
  void keep(int signal) {
    const std::lock_guard lock(mutex_);
    Kept& kept = kept_[signal];
    if (kept.watchers++ == 0) ::sigaction(signal, nullptr, &kept.before);
  }

  void release(int signal) noexcept {
    const std::lock_guard lock(mutex_);
    const auto kept = kept_.find(signal);
    if (--kept->second.watchers > 0) return;
    ::sigaction(signal, &kept->second.before, nullptr);
    kept_.erase(kept);
  }

 private:
  struct Kept {
    int watchers = 0;
    struct sigaction before {};
  };

  std::mutex mutex_;
  std::map<int, Kept> kept_;
};

Dispositions& dispositions() {
  static Dispositions* const instance = new Dispositions;  // for the last waiter, whenever it goes
  return *instance;
}

}  // namespace

/// Shared with wait(), and linked to the loop's shutdown.
struct SignalWaiter::State final : ShutdownListener {
  explicit State(EventLoop& event_loop) : loop(event_loop), changed(event_loop) {}

  static constexpr std::size_t most_kept = 100;

  /// One watched signal; freed by libuv's close callback.
  struct Watch {
    uv_signal_t handle{};
    State* state = nullptr;
    EventLoop* loop = nullptr;  // outlives the handle, which the state need not
  };

  void watch(int number) {
    auto watch = std::make_unique<Watch>();
    watch->state = this;
    watch->loop = &loop;
    watch->handle.data = watch.get();
    watches.reserve(watches.size() + 1);
    ::uv_signal_init(loop.uv(), &watch->handle);
    loop.opened_on_uv();
    Watch* const started = watch.release();  // from here on it is closed, never deleted
    dispositions().keep(number);
    const int result = ::uv_signal_start(
        &started->handle,
        [](uv_signal_t* handle, int signal) {
          static_cast<Watch*>(handle->data)->state->told(signal);
        },
        number);
    watches.push_back({number, started});
    if (result < 0) throw std::system_error(-result, std::generic_category(), "mx_rmq: signal");
  }

  void told(int number) noexcept {
    if (come.size() < most_kept) come.push_back(number);
    changed.set();
    changed.reset();
  }

  void cancel() noexcept {
    cancelled = true;
    changed.set();
  }

  void on_shutdown() noexcept override { shut_down(); }

  void shut_down() noexcept {
    stop_watching();
    gone = true;
    changed.set();
  }

  void stop_watching() noexcept {
    for (const auto& [number, watch] : std::exchange(watches, {})) {
      ::uv_signal_stop(&watch->handle);
      ::uv_close(reinterpret_cast<uv_handle_t*>(&watch->handle), [](uv_handle_t* handle) {
        const std::unique_ptr<Watch> closed(static_cast<Watch*>(handle->data));
        closed->loop->ended_on_uv();
      });
      dispositions().release(number);
    }
  }

  EventLoop& loop;
  Event changed;
  std::vector<std::pair<int, Watch*>> watches;
  std::vector<int> come;
  bool cancelled = false;
  bool gone = false;
};

std::vector<int> SignalWaiter::default_signals() { return {SIGINT, SIGTERM}; }

SignalWaiter::SignalWaiter(EventLoop& loop, std::vector<int> signals)
    : state_(std::make_shared<State>(loop)) {
  loop.add_listener(*state_);
  try {
    for (const int signal : signals) state_->watch(signal);
  } catch (...) {
    loop.remove_listener(*state_);
    state_->stop_watching();
    throw;
  }
}

SignalWaiter::~SignalWaiter() {
  state_->loop.remove_listener(*state_);
  state_->shut_down();
}

void SignalWaiter::cancel() { state_->cancel(); }

std::optional<int> SignalWaiter::told() const {
  if (state_->come.empty()) return std::nullopt;
  return state_->come.front();
}

Task<std::optional<int>> SignalWaiter::wait(std::size_t number) { return wait_on(state_, number); }

Task<std::optional<int>> SignalWaiter::wait_on(std::shared_ptr<State> state, std::size_t number) {
  while (state->come.size() < number && !state->cancelled && !state->gone)
    co_await state->changed.wait();
  if (state->come.size() >= number) co_return state->come[number - 1];
  if (state->gone && !state->cancelled)
    throw ShutdownError("mx_rmq: the Runtime ended while waiting for a signal");
  co_return std::nullopt;
}

}  // namespace mx_rmq::runtime
