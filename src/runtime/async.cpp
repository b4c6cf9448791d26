#include "mx_rmq/async.hpp"

#include <memory>
#include <stdexcept>

#include "runtime/log.hpp"

namespace mx_rmq {
namespace {

/// The coroutine around a task that nobody awaits. It destroys its own frame, and the task's with
/// it, and only then calls `ended(error)` of what `Told`, a raw or a shared pointer, points to.
template <class Told>
class Detached {
 public:
  class promise_type {
   public:
    promise_type(const Task<>&, const Told& told) noexcept : told_(told) {}

    static void* operator new(std::size_t bytes) { return detail::allocate_frame(bytes); }
    static void operator delete(void* frame, std::size_t bytes) noexcept {
      detail::free_frame(frame, bytes);
    }

    struct FinalAwaiter {
      bool await_ready() const noexcept { return false; }
      [[gnu::noinline]] void await_suspend(
          std::coroutine_handle<promise_type> self) const noexcept {
        const Told told = std::move(self.promise().told_);
        std::exception_ptr error = std::move(self.promise().error_);
        self.destroy();
        told->ended(std::move(error));
      }
      void await_resume() const noexcept {}
    };

    Detached get_return_object() const noexcept { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    FinalAwaiter final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() noexcept { error_ = std::current_exception(); }

   private:
    Told told_;
    std::exception_ptr error_;
  };
};

// Starts it. Only the promise uses `told`.
template <class Told>
Detached<Told> detach(Task<> task, [[maybe_unused]] Told told) {
  co_await std::move(task);
}

// Calls `log` with what the exception says.
template <class Log>
void tell(const std::exception_ptr& error, Log log) noexcept {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& e) {
    log(e.what());
  } catch (...) {
    log("of an unknown type");
  }
}

bool is_shutdown(const std::exception_ptr& error) noexcept {
  try {
    std::rethrow_exception(error);
  } catch (const ShutdownError&) {
    return true;
  } catch (...) {
    return false;
  }
}

// That the end of a Runtime ended it, too, is no news.
void warn_of(const std::exception_ptr& error) noexcept {
  if (!error || is_shutdown(error)) return;
  tell(error, [](const char* what) {
    runtime::log::warn("a task that is not waited for any more ended with an error", "error", what);
  });
}

// --- spawn ---

class Spawned {
 public:
  explicit Spawned(std::function<void(std::exception_ptr)> done) : done_(std::move(done)) {}

  void ended(std::exception_ptr error) noexcept {
    try {
      if (done_) {
        done_(std::move(error));
      } else if (error) {
        std::rethrow_exception(std::move(error));
      }
    } catch (...) {
      tell(std::current_exception(), [](const char* what) {
        runtime::log::error("a spawned task ended with an error that nobody takes", "error", what);
      });
    }
  }

 private:
  const std::function<void(std::exception_ptr)> done_;
};

// --- all ---

/// One wait for several tasks; lives in the frame of when_all, which none of them outlives.
class Gathering {
 public:
  explicit Gathering(std::vector<Task<>> tasks)
      : tasks_(std::move(tasks)), left_(tasks_.size() + 1) {}

  void ended(std::exception_ptr error) noexcept {
    if (error) fail(std::move(error));
    const std::coroutine_handle<> waiter = waiter_;
    if (left_.fetch_sub(1, std::memory_order_acq_rel) == 1) waiter.resume();
  }

  bool await_ready() const noexcept { return false; }
  // Counts as one of those waited for until all are begun. Not inlined, as FinalAwaiter.
  [[gnu::noinline]] bool await_suspend(std::coroutine_handle<> waiter) {
    waiter_ = waiter;
    std::size_t begun = 0;
    try {
      for (; begun < tasks_.size(); ++begun) detach<Gathering*>(std::move(tasks_[begun]), this);
    } catch (...) {  // no memory for a frame: what is not begun never runs
      fail(std::current_exception());
    }
    const std::size_t mine = 1 + tasks_.size() - begun;
    return left_.fetch_sub(mine, std::memory_order_acq_rel) != mine;
  }
  void await_resume() {
    if (error_) std::rethrow_exception(std::move(error_));
  }

 private:
  void fail(std::exception_ptr error) noexcept {
    if (!failed_.exchange(true, std::memory_order_acq_rel)) error_ = std::move(error);
  }

  std::vector<Task<>> tasks_;
  std::atomic<std::size_t> left_;
  std::coroutine_handle<> waiter_;
  std::atomic<bool> failed_{false};
  std::exception_ptr error_;
};

// --- the first ---

/// One wait that several may end, of whom the first does. They may outlive it, so they share it.
class FirstEnd {
 public:
  /// True for the first; it may set what the waiter reads and must call `wake`.
  bool claim() noexcept { return meeting_.claim(); }
  void wake() { meeting_.complete(); }

  detail::CallbackMeeting::Wait wait() noexcept { return meeting_.wait(); }

  std::size_t index = 0;
  std::exception_ptr error;

 private:
  detail::CallbackMeeting meeting_;
};

class Contender {
 public:
  Contender(std::shared_ptr<FirstEnd> end, std::size_t index)
      : end_(std::move(end)), index_(index) {}

  void ended(std::exception_ptr error) noexcept {
    if (!end_->claim()) return warn_of(error);
    end_->index = index_;
    end_->error = std::move(error);
    end_->wake();
  }

 private:
  const std::shared_ptr<FirstEnd> end_;
  const std::size_t index_;
};

void check_not_empty(std::size_t tasks) {
  if (tasks == 0) throw std::invalid_argument("mx_rmq: when_any: there is nothing to wait for");
}

}  // namespace

void spawn(Task<> task, std::function<void(std::exception_ptr)> done) {
  if (!task) throw std::logic_error("mx_rmq: spawn: the task is empty");
  const auto spawned = std::make_shared<Spawned>(std::move(done));
  detach(std::move(task), spawned);
}

Task<> when_all(std::vector<Task<>> tasks) {
  Gathering all(std::move(tasks));
  co_await all;
}

namespace detail {

Task<std::size_t> first_of(std::vector<Task<>> tasks) {
  check_not_empty(tasks.size());
  const auto end = std::make_shared<FirstEnd>();
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    const auto contender = std::make_shared<Contender>(end, i);
    detach(std::move(tasks[i]), contender);
  }
  co_await end->wait();
  if (end->error) std::rethrow_exception(end->error);
  co_return end->index;
}

Task<> Race::run_one(Race* race, Task<> task, std::size_t index) {
  std::exception_ptr error;
  try {
    co_await std::move(task);
  } catch (...) {
    error = std::current_exception();
  }
  if (race->decided_.exchange(true, std::memory_order_acq_rel)) co_return;
  race->first_ = index;
  race->error_ = std::move(error);
  race->stop_.request_stop();
}

Task<std::size_t> Race::run(std::vector<Task<>> tasks) {
  check_not_empty(tasks.size());
  for (std::size_t i = 0; i < tasks.size(); ++i) tasks[i] = run_one(this, std::move(tasks[i]), i);
  auto all = when_all(std::move(tasks));
  co_await std::move(all);
  if (error_) std::rethrow_exception(std::move(error_));
  co_return first_;
}

Task<> until_stopped(Task<> task, std::stop_token token) {
  if (token.stop_requested()) throw Stopped("mx_rmq: stopped before it was begun");
  const auto end = std::make_shared<FirstEnd>();
  const auto contender = std::make_shared<Contender>(end, 0);
  detach(std::move(task), contender);
  const auto stop = [end] {
    const auto held = end;  // waking the coroutine frees this function
    if (!held->claim()) return;
    held->error = std::make_exception_ptr(
        Stopped("mx_rmq: stopped while waiting; what was begun goes on to its end"));
    held->wake();
  };
  const std::stop_callback callback(token, stop);
  co_await end->wait();
  if (end->error) std::rethrow_exception(end->error);
}

}  // namespace detail
}  // namespace mx_rmq
