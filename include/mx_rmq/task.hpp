#pragma once

#include <atomic>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <variant>

namespace mx_rmq {

template <class T = void>
class Task;

namespace detail {

/// The memory of all coroutine frames comes from here, so that it can be pooled and counted. Any
/// thread; a frame may be freed on another thread than the one that allocated it.
void* allocate_frame(std::size_t bytes);
void free_frame(void* frame, std::size_t bytes) noexcept;

/// What the promises of all tasks have in common: how a task and the coroutine that awaits it meet.
///
/// The awaiter starts the task by a plain resume(). Then both sides exchange one flag, the task
/// when it ends, the awaiter when resume() has returned. Whoever comes second acts: the task
/// resumes its awaiter, or the awaiter does not suspend at all. So a loop over tasks that complete
/// at once does not grow the stack (with symmetric transfer it would, in builds without
/// optimisation or with sanitizers, where that is no tail call), and a task may end on another
/// thread than it began on.
class PromiseBase {
 public:
  static void* operator new(std::size_t bytes) { return allocate_frame(bytes); }
  static void operator delete(void* frame, std::size_t bytes) noexcept { free_frame(frame, bytes); }

  PromiseBase() = default;
  PromiseBase(const PromiseBase&) = delete;
  PromiseBase& operator=(const PromiseBase&) = delete;

  struct FinalAwaiter {
    bool await_ready() const noexcept { return false; }

    // Not inlined: once the flag is exchanged another thread may destroy the frame, and an inlined
    // body could keep its locals there.
    template <class Promise>
    [[gnu::noinline]] void await_suspend(std::coroutine_handle<Promise> self) const noexcept {
      PromiseBase& promise = self.promise();
      const std::coroutine_handle<> continuation = promise.continuation_;
      if (promise.met_.exchange(true, std::memory_order_acq_rel)) continuation.resume();
    }

    void await_resume() const noexcept {}
  };

  std::suspend_always initial_suspend() const noexcept { return {}; }
  FinalAwaiter final_suspend() const noexcept { return {}; }

  /// Runs the task until it first suspends. True if the awaiter has to stay suspended; it may then
  /// already be running again on another thread.
  bool start(std::coroutine_handle<> self, std::coroutine_handle<> continuation) {
    continuation_ = continuation;
    self.resume();
    return !met_.exchange(true, std::memory_order_acq_rel);
  }

 private:
  std::coroutine_handle<> continuation_;
  std::atomic<bool> met_{false};
};

template <class T>
class Promise final : public PromiseBase {
 public:
  Task<T> get_return_object() noexcept;

  template <class U = T>
    requires std::is_constructible_v<T, U&&>
  void return_value(U&& value) noexcept(std::is_nothrow_constructible_v<T, U&&>) {
    result_.template emplace<1>(std::forward<U>(value));
  }

  void unhandled_exception() noexcept { result_.template emplace<2>(std::current_exception()); }

  T take() {
    if (result_.index() == 2) std::rethrow_exception(std::move(std::get<2>(result_)));
    return std::move(std::get<1>(result_));
  }

 private:
  std::variant<std::monostate, T, std::exception_ptr> result_;
};

template <>
class Promise<void> final : public PromiseBase {
 public:
  Task<void> get_return_object() noexcept;
  void return_void() const noexcept {}
  void unhandled_exception() noexcept { error_ = std::current_exception(); }

  void take() {
    if (error_) std::rethrow_exception(std::move(error_));
  }

 private:
  std::exception_ptr error_;
};

/// Owns the frame of a task that is being awaited, and frees it when the co_await expression ends.
template <class T>
class TaskAwaiter {
 public:
  using Handle = std::coroutine_handle<Promise<T>>;

  explicit TaskAwaiter(Handle task) noexcept : task_(task) {}
  TaskAwaiter(TaskAwaiter&& other) noexcept : task_(std::exchange(other.task_, {})) {}
  TaskAwaiter& operator=(TaskAwaiter&&) = delete;
  ~TaskAwaiter() {
    if (task_) task_.destroy();
  }

  bool await_ready() const noexcept { return false; }

  // Not inlined, for the reason given at FinalAwaiter.
  [[gnu::noinline]] bool await_suspend(std::coroutine_handle<> awaiter) noexcept {
    return task_.promise().start(task_, awaiter);
  }

  T await_resume() { return task_.promise().take(); }

 private:
  Handle task_;
};

}  // namespace detail

/// What a coroutine of this library returns: a piece of work that runs when it is awaited.
///
/// - It is lazy: nothing happens before `co_await`. A task that is never awaited never runs, and
///   destroying it only frees its memory.
/// - It is awaited once, as an rvalue: `co_await f()`, or `co_await std::move(task)` for a named
///   one. Awaiting an empty task (moved from, or awaited before) throws std::logic_error.
/// - `co_await` gives the coroutine's result, or rethrows the exception that ended it.
/// - T is void or a type that can be moved. References are not supported.
///
/// **Threads.** A Task object belongs to one thread at a time; it may be moved to another one
/// before it is awaited. The awaiting coroutine goes on where the task ended: the tasks of a queue
/// end on the loop thread of its Runtime, and a task that never had to wait ends where it was
/// started.
///
/// **Parameters.** Let a coroutine take its parameters by value. Its frame outlives the call
/// expression, so a reference or a view may dangle by the time it is used.
template <class T>
class [[nodiscard]] Task {
  static_assert(!std::is_reference_v<T>, "Task<T>: T may not be a reference; return a pointer");
  static_assert(std::is_void_v<T> || std::is_move_constructible_v<T>,
                "Task<T>: T must be void or movable");

 public:
  /// What `co_await` gives.
  using value_type = T;
  /// What the compiler needs to make a coroutine of a function that returns a Task.
  using promise_type = detail::Promise<T>;

  /// An empty task. It may only be assigned to or destroyed.
  Task() noexcept = default;
  /// Takes the work over; the other one is empty then.
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  /// The same; work that this one had is destroyed without running.
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      if (handle_) handle_.destroy();
      handle_ = std::exchange(other.handle_, {});
    }
    return *this;
  }
  ~Task() {
    if (handle_) handle_.destroy();
  }

  /// False for an empty task: made so, moved from, or awaited before.
  explicit operator bool() const noexcept { return static_cast<bool>(handle_); }

  /// What `co_await` calls: starts the task. Throws std::logic_error if it is empty.
  detail::TaskAwaiter<T> operator co_await() && {
    if (!handle_)
      throw std::logic_error("mx_rmq: a Task was awaited that is empty or was awaited before");
    return detail::TaskAwaiter<T>(std::exchange(handle_, {}));
  }

 private:
  friend promise_type;
  explicit Task(std::coroutine_handle<promise_type> handle) noexcept : handle_(handle) {}

  std::coroutine_handle<promise_type> handle_;
};

namespace detail {

template <class T>
Task<T> Promise<T>::get_return_object() noexcept {
  return Task<T>(std::coroutine_handle<Promise>::from_promise(*this));
}

inline Task<void> Promise<void>::get_return_object() noexcept {
  return Task<void>(std::coroutine_handle<Promise>::from_promise(*this));
}

}  // namespace detail
}  // namespace mx_rmq
