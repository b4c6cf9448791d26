#include "runtime/scope.hpp"

#include <coroutine>
#include <stdexcept>
#include <string>
#include <utility>

#include "mx_rmq/errors.hpp"

#include "runtime/event.hpp"

namespace mx_rmq::runtime {

/// What the scope and its tasks share.
struct Scope::State {
  State(EventLoop& event_loop, ErrorHandler handler)
      : loop(event_loop), on_error(std::move(handler)), empty(event_loop) {
    empty.set();
  }

  void task_ended(std::exception_ptr error) noexcept {
    if (error) {
      try {
        on_error(std::move(error));
      } catch (...) {
        loop.report(std::current_exception());
      }
    }
    loop.task_ended();
    if (--size == 0) empty.set();
  }

  EventLoop& loop;
  ErrorHandler on_error;
  Event empty;
  std::size_t size = 0;
  bool closed = false;
};

/// The coroutine around one task. It destroys its own frame, and the task's with it, and tells the
/// scope only then.
class Scope::Runner {
 public:
  class promise_type {
   public:
    promise_type(const std::shared_ptr<State>& state, const Task<>&) noexcept : state_(state) {}

    static void* operator new(std::size_t bytes) { return detail::allocate_frame(bytes); }
    static void operator delete(void* frame, std::size_t bytes) noexcept {
      detail::free_frame(frame, bytes);
    }

    struct FinalAwaiter {
      bool await_ready() const noexcept { return false; }
      [[gnu::noinline]] void await_suspend(
          std::coroutine_handle<promise_type> self) const noexcept {
        const std::shared_ptr<State> state = std::move(self.promise().state_);
        std::exception_ptr error = std::move(self.promise().error_);
        self.destroy();
        state->task_ended(std::move(error));
      }
      void await_resume() const noexcept {}
    };

    Runner get_return_object() noexcept {
      return Runner(std::coroutine_handle<promise_type>::from_promise(*this));
    }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    FinalAwaiter final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() noexcept { error_ = std::current_exception(); }

   private:
    std::shared_ptr<State> state_;
    std::exception_ptr error_;
  };

  std::coroutine_handle<> handle() const noexcept { return handle_; }

 private:
  explicit Runner(std::coroutine_handle<> handle) noexcept : handle_(handle) {}
  std::coroutine_handle<> handle_;
};

Scope::Runner Scope::run(std::shared_ptr<State> state, Task<> task) {
  std::exception_ptr error;
  try {
    co_await std::move(task);
  } catch (...) {
    error = std::current_exception();
  }
  co_await state->loop.back();  // what the task awaited may have taken it elsewhere
  if (error) std::rethrow_exception(error);
}

Scope::Scope(EventLoop& loop)
    : Scope(loop, [&loop](std::exception_ptr error) { loop.report(std::move(error)); }) {}

Scope::Scope(EventLoop& loop, ErrorHandler on_error) {
  if (!on_error) throw std::invalid_argument("mx_rmq: Scope: on_error may not be empty");
  state_ = std::make_shared<State>(loop, std::move(on_error));
}

Scope::~Scope() {
  if (state_->size == 0) return;
  try {
    throw std::logic_error("mx_rmq: a Scope was destroyed with " + std::to_string(state_->size) +
                           " tasks in it");
  } catch (...) {
    state_->loop.report(std::current_exception());
  }
}

void Scope::spawn(Task<> task) {
  if (state_->closed) throw ShutdownError("mx_rmq: no more tasks are taken");
  const Runner runner = run(state_, std::move(task));
  try {
    state_->loop.defer(runner.handle());
  } catch (...) {
    runner.handle().destroy();  // not started, so it may be
    throw;
  }
  state_->loop.task_started();
  if (state_->size++ == 0) state_->empty.reset();
}

void Scope::close() noexcept { state_->closed = true; }

Task<> Scope::join() { return wait_until_empty(state_); }

Task<> Scope::wait_until_empty(std::shared_ptr<State> state) {
  // The tasks are told of the loop's end themselves, and their owner waits until they have heard
  // it.
  while (state->size > 0) co_await state->empty.wait_to_the_end();
}

std::size_t Scope::size() const noexcept { return state_->size; }

}  // namespace mx_rmq::runtime
