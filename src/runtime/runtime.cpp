#include "mx_rmq/runtime.hpp"

#include <atomic>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "runtime/blocking_pool.hpp"
#include "runtime/event_loop.hpp"
#include "runtime/fork_guard.hpp"
#include "runtime/log.hpp"
#include "runtime/loop_watch.hpp"
#include "runtime/runtime_access.hpp"
#include "runtime/thread_setup.hpp"

namespace mx_rmq {

RuntimeOptions::RuntimeOptions() = default;
RuntimeOptions::RuntimeOptions(const RuntimeOptions&) = default;
RuntimeOptions::RuntimeOptions(RuntimeOptions&&) noexcept = default;
RuntimeOptions& RuntimeOptions::operator=(const RuntimeOptions&) = default;
RuntimeOptions& RuntimeOptions::operator=(RuntimeOptions&&) noexcept = default;
RuntimeOptions::~RuntimeOptions() = default;

namespace {

// What handles left open by others get before they are closed for them.
constexpr auto handle_grace = std::chrono::seconds(5);

RuntimeOptions checked(RuntimeOptions options) {
  if (options.blocking_threads < 1) {
    throw std::invalid_argument("mx_rmq: RuntimeOptions: blocking_threads is " +
                                std::to_string(options.blocking_threads) + ", must be 1 or more");
  }
  if (options.shutdown_timeout.count() < 0) {
    throw std::invalid_argument("mx_rmq: RuntimeOptions: shutdown_timeout is negative");
  }
  return options;
}

// The state of Runtime::shared(), in constants that are valid during the whole of static
// initialisation and destruction.
constexpr unsigned never_made = static_cast<unsigned>(-1);
constinit std::atomic<unsigned> shared_made_in{never_made};
constinit std::atomic<bool> shared_gone{false};

struct SharedRuntime {
  SharedRuntime() : runtime(std::make_shared<Runtime>()) {}
  ~SharedRuntime() { shared_gone.store(true, std::memory_order_relaxed); }
  std::shared_ptr<Runtime> runtime;
};

}  // namespace

struct Runtime::Impl {
  explicit Impl(RuntimeOptions options)
      : fork_generation(runtime::fork_generation()),
        shutdown_timeout(options.shutdown_timeout),
        pool(loop, static_cast<std::size_t>(options.blocking_threads), options.name,
             runtime::current_signal_mask()),
        watch(loop, options.name, runtime::current_signal_mask()) {
    loop.set_blocking_pool(&pool);
    loop.set_watch(&watch);
    // With the mask of this thread: what handlers start there inherits it. (This thread may be a
    // loop's itself.)
    thread = std::thread([this, name = options.name, mask = runtime::current_signal_mask()] {
      runtime::set_signal_mask(mask);
      runtime::block_sigpipe();
      runtime::name_this_thread(name, "");
      loop.run();
    });
  }

  /// On a loop that the program runs, on the calling thread.
  Impl(uv_loop_t* host, RuntimeOptions options)
      : fork_generation(runtime::fork_generation()),
        shutdown_timeout(options.shutdown_timeout),
        guest(true),
        loop(runtime::Clock::real(), host),
        pool(loop, static_cast<std::size_t>(options.blocking_threads), options.name,
             runtime::current_signal_mask()),
        watch(loop, options.name, runtime::current_signal_mask()) {
    loop.set_blocking_pool(&pool);
    loop.set_watch(&watch);
    runtime::block_sigpipe();
  }

  /// Without a thread: the caller drives the loop.
  explicit Impl(const runtime::Clock& clock)
      : fork_generation(runtime::fork_generation()),
        shutdown_timeout(RuntimeOptions().shutdown_timeout),
        loop(clock),
        pool(loop, 1, RuntimeOptions().name, runtime::current_signal_mask()),
        watch(loop, RuntimeOptions().name, runtime::current_signal_mask()) {
    loop.set_blocking_pool(&pool);
    loop.set_watch(&watch);
  }

  /// Not on a thread of this Runtime.
  void end() noexcept {
    loop.begin_shutdown();
    pool.shutdown(shutdown_timeout);
    watch.shutdown();
    loop.finish(handle_grace);
    if (thread.joinable()) {
      thread.join();
    } else {
      loop.run();
    }
  }

  /// Of a guest: begins the end, which the program's loop brings about when it runs on. Destroys
  /// this then.
  void end_with_the_loop() noexcept {
    loop.when_ended([this] {
      ending.join();
      delete this;
    });
    try {
      const runtime::BlockSignals blocked;
      const std::lock_guard lock(ending_mutex);
      ending = std::thread([this] {
        const std::lock_guard begun(ending_mutex);
        loop.begin_shutdown();
        pool.shutdown(shutdown_timeout);
        watch.shutdown();
        loop.finish(handle_grace);
      });
    } catch (const std::exception& error) {
      runtime::log::error("a Runtime could not be ended and goes on", "why", error.what());
    }
  }

  const unsigned fork_generation;
  const std::chrono::milliseconds shutdown_timeout;
  const bool guest = false;
  std::mutex ending_mutex;  // held until `ending` is there
  std::thread ending;       // of a guest
  runtime::EventLoop loop;
  runtime::BlockingPool pool;
  runtime::LoopWatch watch;
  std::thread thread;
};

Runtime::Runtime(RuntimeOptions options)
    : impl_(std::make_unique<Impl>(checked(std::move(options)))) {}

Runtime::Runtime(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}

std::shared_ptr<Runtime> runtime::RuntimeAccess::hand_driven(const Clock& clock) {
  return std::shared_ptr<Runtime>(new Runtime(std::make_unique<Runtime::Impl>(clock)));
}

std::shared_ptr<Runtime> runtime::RuntimeAccess::guest_on(uv_loop_t* host, RuntimeOptions options) {
  if (host == nullptr) throw std::invalid_argument("loop: it is null");
  auto impl = std::make_unique<Runtime::Impl>(host, checked(std::move(options)));
  return std::shared_ptr<Runtime>(new Runtime(std::move(impl)));
}

std::shared_ptr<Runtime> detail::runtime_on(uv_loop_t* loop, RuntimeOptions options) {
  return runtime::RuntimeAccess::guest_on(loop, std::move(options));
}

Runtime::~Runtime() {
  if (impl_->fork_generation != runtime::fork_generation()) {
    // The threads exist in the parent only, and a lock may be held by one of them for ever.
    static_cast<void>(impl_.release());
    return;
  }
  if (impl_->guest) {
    impl_.release()->end_with_the_loop();
    return;
  }
  // A thread cannot wait for itself, and another Runtime's loop is not to wait: then a thread of
  // its own does. (Whoever drives loops by hand drives them all.)
  const bool by_hand = !impl_->thread.joinable();
  const bool on_a_loop = by_hand ? on_loop_thread() : runtime::EventLoop::current() != nullptr;
  if (!on_a_loop && !impl_->pool.on_pool_thread() && !impl_->watch.on_watching_thread()) {
    impl_->end();
    return;
  }
  Impl* const impl = impl_.release();
  try {
    const runtime::BlockSignals blocked;
    std::thread([impl] {
      impl->end();
      delete impl;
    }).detach();
  } catch (const std::exception& error) {
    runtime::log::error("a Runtime could not be ended and goes on", "why", error.what());
  }
}

std::shared_ptr<Runtime> Runtime::shared() {
  if (shared_gone.load(std::memory_order_relaxed)) {
    throw std::logic_error("mx_rmq: the shared Runtime is used after the end of main()");
  }
  // Before the lock that guards the static: the child of a fork may have inherited it locked.
  const unsigned now = runtime::fork_generation();
  unsigned made_in = never_made;
  if (!shared_made_in.compare_exchange_strong(made_in, now, std::memory_order_relaxed)) {
    runtime::refuse_after_fork(made_in);
  }
  static const SharedRuntime shared;
  return shared.runtime;
}

bool Runtime::on_loop_thread() const noexcept { return impl_->loop.on_loop_thread(); }

std::chrono::nanoseconds Runtime::stalled_for() const noexcept { return impl_->loop.stalled_for(); }

runtime::EventLoop& Runtime::event_loop() noexcept { return impl_->loop; }

runtime::BlockingPool& Runtime::blocking_pool() noexcept { return impl_->pool; }

}  // namespace mx_rmq
