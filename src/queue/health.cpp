#include "queue/health.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <coroutine>
#include <mutex>
#include <string>
#include <utility>

#include "mx_rmq/errors.hpp"
#include "mx_rmq/runtime.hpp"
#include "runtime/blocking_pool.hpp"
#include "runtime/event_loop.hpp"

namespace mx_rmq::queue {
namespace {

using namespace std::chrono_literals;

// A loop that has not come round in this time is stalled.
constexpr std::chrono::seconds kStalled{1};

/// Asks the loop to answer and goes on there, or on a blocking thread when it does not in time.
class Probe {
 public:
  explicit Probe(Runtime& runtime) : runtime_(runtime) {}

  bool await_ready() const noexcept { return runtime_.on_loop_thread(); }

  void await_suspend(std::coroutine_handle<> coroutine) {
    // The frame may be running again before this returns: nothing of it is used after the first
    // post.
    auto state = std::make_shared<State>();
    state->coroutine = coroutine;
    state->stalled = &stalled_;
    auto& loop = runtime_.event_loop();
    auto& pool = runtime_.blocking_pool();
    // Handlers that block must not hold this up.
    pool.ensure_threads(pool.running() + pool.waiting() + 1);
    pool.submit([state] { watch(*state); });
    try {
      loop.post([state] {
        if (state->take(false)) state->coroutine.resume();
      });
    } catch (const ShutdownError&) {
      // watch() goes on with it.
    }
  }

  /// Whether the loop is stalled.
  bool await_resume() const noexcept { return stalled_; }

 private:
  struct State {
    std::mutex mutex;
    std::condition_variable answered;
    bool taken = false;
    bool* stalled = nullptr;  // in the coroutine's frame, which lives until it is resumed
    std::coroutine_handle<> coroutine;

    bool take(bool stalled_now) {
      {
        const std::lock_guard lock(mutex);
        if (taken) return false;
        taken = true;
        *stalled = stalled_now;
      }
      answered.notify_all();
      return true;
    }
  };

  static void watch(State& state) {
    {
      std::unique_lock lock(state.mutex);
      if (state.answered.wait_for(lock, kStalled, [&state] { return state.taken; })) return;
    }
    if (state.take(true)) state.coroutine.resume();
  }

  Runtime& runtime_;
  bool stalled_ = false;
};

std::string milliseconds(std::chrono::nanoseconds duration) {
  return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count()) +
         " ms";
}

}  // namespace

Task<HealthReport> check_health(std::shared_ptr<detail::QueueCore> core) {
  HealthReport report;
  const bool stalled = co_await Probe(core->runtime());
  if (stalled) {
    report.checks["loop"] = "stalled: a coroutine has kept the loop thread busy for " +
                            milliseconds(core->runtime().stalled_for()) +
                            "; handlers that block should return void";
    report.checks["redis"] = "not asked: the loop is stalled";
    co_return report;
  }
  report.checks["loop"] = "ok";
  std::string redis = core->unfit();
  if (redis.empty()) {
    redis = "ok";
    try {
      const detail::QueueCore::Use use(core);
      co_await core->ping(core->loop().now() + runtime::Duration(core->config().command_timeout),
                          detail::QueueCore::Unfit::tell);
    } catch (const Error& e) {
      redis = e.what();
    }
  }
  std::string consuming;
  if (core->engine()) {
    consuming = core->engine()->trouble();
    if (consuming.empty()) consuming = "ok";
  } else if (core->was_started()) {
    consuming = "stopped";
  }
  report.checks["redis"] = redis;
  if (!consuming.empty()) report.checks["consuming"] = consuming;
  report.healthy = redis == "ok" && (consuming.empty() || consuming == "ok");
  co_return report;
}

}  // namespace mx_rmq::queue
