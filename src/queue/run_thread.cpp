#include "queue/run_thread.hpp"

#include <utility>

#include "mx_rmq/async.hpp"
#include "runtime/event_loop.hpp"

namespace mx_rmq::queue {

// Shared, because whoever hands something over may still be in the mutex when the thread has gone
// on already.
class RunThread::State {
 public:
  void go_on_here(std::coroutine_handle<> coroutine) {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(coroutine);
    changed_.notify_one();
  }
  void end(std::exception_ptr error) {
    const std::lock_guard lock(mutex_);
    error_ = std::move(error);
    ended_ = true;
    changed_.notify_one();
  }
  void work_until_the_end() {
    for (;;) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return ended_ || !waiting_.empty(); });
      if (waiting_.empty()) break;
      const std::coroutine_handle<> next = waiting_.front();
      waiting_.pop_front();
      lock.unlock();
      next.resume();
    }
    if (error_) std::rethrow_exception(std::move(error_));
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::coroutine_handle<>> waiting_;
  std::exception_ptr error_;
  bool ended_ = false;
};

class RunThread::GoingOver {
 public:
  explicit GoingOver(std::shared_ptr<State> state) : state_(std::move(state)) {}
  bool await_ready() const noexcept { return false; }
  // Not inlined, for the reason given at FinalAwaiter in task.hpp. The copy: this object is in the
  // coroutine's frame, which may be gone before the call has returned. On a loop thread the other
  // one is told only when all that awaits this is suspended: a task that has ended before that goes
  // on on the thread that awaits it.
  [[gnu::noinline]] void await_suspend(std::coroutine_handle<> coroutine) {
    const std::shared_ptr<State> state = state_;
    if (runtime::EventLoop* const loop = runtime::EventLoop::current()) {
      loop->defer([state, coroutine] { state->go_on_here(coroutine); });
    } else {
      state->go_on_here(coroutine);
    }
  }
  void await_resume() const noexcept {}

 private:
  std::shared_ptr<State> state_;
};

RunThread::RunThread() : state_(std::make_shared<State>()) {}

void RunThread::drive(Task<> task) {
  spawn(std::move(task), [state = state_](std::exception_ptr error) { state->end(error); });
  state_->work_until_the_end();
}

Task<> RunThread::run(std::function<void()> work) { return run_there(state_, std::move(work)); }

Task<> RunThread::run_there(std::shared_ptr<State> state, std::function<void()> work) {
  GoingOver going(std::move(state));
  co_await going;
  work();
}

}  // namespace mx_rmq::queue
