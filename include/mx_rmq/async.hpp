#pragma once

#include <atomic>
#include <chrono>
#include <concepts>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <stop_token>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "mx_rmq/errors.hpp"
#include "mx_rmq/task.hpp"

/// @file
/// Tasks beside each other, and the ways between tasks and what a program has already: futures,
/// callbacks, stop tokens.
///
/// None of these has a thread of its own. A task begins on the thread that starts it and goes on
/// wherever its awaits take it; a wait for several tasks goes on on the thread where the task ended
/// that decided it. For the tasks of a queue that is the loop thread of its Runtime.
namespace mx_rmq {

/// The wait ended because its stop token fired. What was waited for goes on; of a produce, say, it
/// is not known whether it will have happened.
class Stopped : public Error {
 public:
  using Error::Error;
};

/// Starts a task that nobody awaits, on the calling thread. When it has ended and its memory is
/// freed, `done` is called once, on the thread where it ended, with the exception that ended it or
/// a null pointer. Without a function an exception is logged as an error; so is one that `done`
/// throws. What the task and `done` refer to must outlive them. Throws std::logic_error for an
/// empty task.
void spawn(Task<> task, std::function<void(std::exception_ptr)> done = {});

/// Runs tasks side by side and ends when all have ended. The first error, in time, is thrown then;
/// the others are dropped. An empty list ends at once.
///
///     std::vector<Task<std::string>> calls;
///     for (const json& order : orders) calls.push_back(queue.produce("orders", order));
///     const std::vector<std::string> ids = co_await when_all(std::move(calls));
Task<> when_all(std::vector<Task<>> tasks);

namespace detail {

template <class T>
using ValueOf = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

/// Awaits a task and puts its result where `slot` points: a raw or a shared pointer to an optional.
template <class T, class Slot>
Task<> store(Task<T> task, Slot slot) {
  if constexpr (std::is_void_v<T>) {
    co_await std::move(task);
    slot->emplace();
  } else {
    slot->emplace(co_await std::move(task));
  }
}

/// Ends with the first of the tasks: its index, or its error. The others go on; an error of theirs
/// is logged as a warning.
Task<std::size_t> first_of(std::vector<Task<>> tasks);

/// Tasks that end when their stop token fires: the first to end has the token fire. Ends when all
/// have ended.
class Race {
 public:
  std::stop_token token() const noexcept { return stop_.get_token(); }
  /// The index of the first to end, or its error.
  Task<std::size_t> run(std::vector<Task<>> tasks);

 private:
  static Task<> run_one(Race* race, Task<> task, std::size_t index);

  std::stop_source stop_;
  std::atomic<bool> decided_{false};
  std::size_t first_ = 0;
  std::exception_ptr error_;
};

/// Ends with the task, or throws Stopped as soon as the token fires; the task then goes on, and an
/// error of its is logged as a warning. It is not begun if the token has fired already.
Task<> until_stopped(Task<> task, std::stop_token token);

/// Where a callback and the coroutine that waits for it meet.
class CallbackMeeting {
 public:
  /// True for the first one who asks: only that one may complete it.
  bool claim() noexcept { return !claimed_.exchange(true, std::memory_order_acq_rel); }
  /// The wait goes on, on this thread, before this returns.
  [[gnu::noinline]] void complete() {
    if (met_.exchange(true, std::memory_order_acq_rel)) waiter_.resume();
  }
  void fail(std::exception_ptr error) {
    error_ = std::move(error);
    complete();
  }

  /// Awaitable, once.
  class Wait {
   public:
    explicit Wait(CallbackMeeting& meeting) noexcept : meeting_(meeting) {}
    bool await_ready() const noexcept { return false; }
    // Not inlined, for the reason given at FinalAwaiter in task.hpp.
    [[gnu::noinline]] bool await_suspend(std::coroutine_handle<> waiter) noexcept {
      meeting_.waiter_ = waiter;
      return !meeting_.met_.exchange(true, std::memory_order_acq_rel);
    }
    void await_resume() {
      if (meeting_.error_) std::rethrow_exception(std::move(meeting_.error_));
    }

   private:
    CallbackMeeting& meeting_;
  };
  Wait wait() noexcept { return Wait(*this); }

 private:
  std::atomic<bool> claimed_{false};
  std::atomic<bool> met_{false};
  std::coroutine_handle<> waiter_;
  std::exception_ptr error_;
};

template <class T>
struct CallbackState {
  CallbackMeeting meeting;
  std::optional<ValueOf<T>> value;
};

/// What all copies of a Completion share; the last one that goes fails the wait if none completed
/// it.
template <class T>
class CompletionCore {
 public:
  explicit CompletionCore(std::shared_ptr<CallbackState<T>> state) : state_(std::move(state)) {}
  ~CompletionCore() {
    if (state_->meeting.claim())
      state_->meeting.fail(std::make_exception_ptr(
          std::logic_error("mx_rmq: from_callback: the completion was dropped and never called")));
  }
  CompletionCore(const CompletionCore&) = delete;
  CompletionCore& operator=(const CompletionCore&) = delete;

  CallbackState<T>& state() noexcept { return *state_; }

 private:
  std::shared_ptr<CallbackState<T>> state_;
};

}  // namespace detail

/// The same, with the results in the order of the tasks.
template <class T>
  requires(!std::is_void_v<T>)
Task<std::vector<T>> when_all(std::vector<Task<T>> tasks) {
  std::vector<std::optional<T>> slots(tasks.size());
  std::vector<Task<>> stores;
  stores.reserve(tasks.size());
  for (std::size_t i = 0; i < tasks.size(); ++i)
    stores.push_back(detail::store(std::move(tasks[i]), &slots[i]));
  auto all = when_all(std::move(stores));
  co_await std::move(all);
  std::vector<T> results;
  results.reserve(slots.size());
  for (auto& slot : slots) results.push_back(std::move(*slot));
  co_return results;
}

/// The same for tasks of different types; std::monostate stands for void.
///
///     auto [id, length] = co_await when_all(queue.produce("a", 1), count());
template <class... T>
  requires(sizeof...(T) > 0)
Task<std::tuple<detail::ValueOf<T>...>> when_all(Task<T>... tasks) {
  std::tuple<std::optional<detail::ValueOf<T>>...> slots;
  std::vector<Task<>> stores;
  stores.reserve(sizeof...(T));
  std::apply(
      [&](auto&... slot) { (stores.push_back(detail::store(std::move(tasks), &slot)), ...); },
      slots);
  auto all = when_all(std::move(stores));
  co_await std::move(all);
  co_return std::apply(
      [](auto&... slot) { return std::tuple<detail::ValueOf<T>...>(std::move(*slot)...); }, slots);
}

/// Which task was first, and its result; std::monostate stands for void.
template <class T>
struct First {
  /// Its place in the list.
  std::size_t index;
  /// What it gave.
  detail::ValueOf<T> value;
};

/// Ends with the first of the tasks, with its result or its error. The others are not waited for:
/// they go on to their end, their results are dropped, and an error of theirs is logged as a
/// warning. Throws std::invalid_argument for an empty list. To end the others, hand in functions
/// that take a stop token.
template <class T>
Task<First<T>> when_any(std::vector<Task<T>> tasks) {
  using Slot = std::optional<detail::ValueOf<T>>;
  std::vector<std::shared_ptr<Slot>> slots;
  std::vector<Task<>> stores;
  for (auto& task : tasks) {
    slots.push_back(std::make_shared<Slot>());
    stores.push_back(detail::store(std::move(task), slots.back()));
  }
  auto race = detail::first_of(std::move(stores));
  const std::size_t index = co_await std::move(race);
  co_return First<T>{index, std::move(**slots[index])};
}

/// The same for tasks that can be stopped: each function is called with a stop token and gives a
/// task. The token fires as soon as the first task has ended, and the wait ends when **all** have
/// ended, so that nothing is left running; what the others give or throw is dropped. Throws
/// std::invalid_argument for an empty list.
///
///     std::vector<std::function<Task<json>(std::stop_token)>> services;
///     services.emplace_back([&](std::stop_token token) { return ask(primary, token); });
///     services.emplace_back([&](std::stop_token token) { return ask(fallback, token); });
///     auto race = when_any<json>(std::move(services));
///     const auto first = co_await std::move(race);
template <class T>
Task<First<T>> when_any(std::vector<std::function<Task<T>(std::stop_token)>> makers) {
  detail::Race race;
  std::vector<std::optional<detail::ValueOf<T>>> slots(makers.size());
  std::vector<Task<>> stores;
  stores.reserve(makers.size());
  for (std::size_t i = 0; i < makers.size(); ++i)
    stores.push_back(detail::store(makers[i](race.token()), &slots[i]));
  auto run = race.run(std::move(stores));
  const std::size_t index = co_await std::move(run);
  co_return First<T>{index, std::move(*slots[index])};
}

/// Ends as the task does, or with Stopped as soon as the token fires, on the thread that fired it.
/// The task then goes on to its end without being waited for; its result is dropped, and an error
/// of its is logged as a warning. If the token has fired already, the task is not begun.
///
///     co_await stoppable(queue.produce("orders", order), token);
template <class T>
Task<T> stoppable(Task<T> task, std::stop_token token) {
  if constexpr (std::is_void_v<T>) {
    auto wait = detail::until_stopped(std::move(task), std::move(token));
    co_await std::move(wait);
  } else {
    const auto slot = std::make_shared<std::optional<T>>();
    auto wait = detail::until_stopped(detail::store(std::move(task), slot), std::move(token));
    co_await std::move(wait);
    co_return std::move(**slot);
  }
}

/// Starts a task on the calling thread; the future gets its result or its exception. Waiting for
/// the future on a loop thread would wait for itself; co_await the task there. Throws
/// std::logic_error for an empty task.
template <class T>
std::future<T> to_future(Task<T> task) {
  const auto promise = std::make_shared<std::promise<T>>();
  const auto slot = std::make_shared<std::optional<detail::ValueOf<T>>>();
  auto future = promise->get_future();
  auto done = [promise, slot](const std::exception_ptr& error) {
    if (error) {
      promise->set_exception(error);
    } else if constexpr (std::is_void_v<T>) {
      promise->set_value();
    } else {
      promise->set_value(std::move(**slot));
    }
  };
  if (!task) throw std::logic_error("mx_rmq: to_future: the task is empty");
  spawn(detail::store(std::move(task), slot), std::move(done));
  return future;
}

/// What a callback calls to end the wait of from_callback. Copies are cheap and mean the same wait.
/// Any thread; the wait goes on inside the call.
template <class T>
class Completion {
 public:
  /// The wait ends with this value. False, and nothing happens, if it was completed before.
  template <class U>
    requires(!std::is_void_v<T> && std::constructible_from<T, U &&>)
  bool operator()(U&& value) const {
    const auto core = core_;  // the wait that goes on may free this object
    auto& state = core->state();
    if (!state.meeting.claim()) return false;
    state.value.emplace(std::forward<U>(value));
    state.meeting.complete();
    return true;
  }
  /// The wait of a Task<> ends. False if it was completed before.
  bool operator()() const
    requires(std::is_void_v<T>)
  {
    const auto core = core_;  // the wait that goes on may free this object
    auto& state = core->state();
    if (!state.meeting.claim()) return false;
    state.meeting.complete();
    return true;
  }
  /// The wait ends with this error. False if it was completed before.
  bool fail(std::exception_ptr error) const {
    const auto core = core_;  // the wait that goes on may free this object
    auto& state = core->state();
    if (!state.meeting.claim()) return false;
    state.meeting.fail(std::move(error));
    return true;
  }

 private:
  template <class U, class F>
  friend Task<U> from_callback(F start);
  explicit Completion(std::shared_ptr<detail::CallbackState<T>> state)
      : core_(std::make_shared<detail::CompletionCore<T>>(std::move(state))) {}

  std::shared_ptr<detail::CompletionCore<T>> core_;
};

/// A task from what ends by calling back. When it is awaited, `start` is called with a Completion.
/// The task ends when that is called: on the thread that calls it, or, if that is before `start`
/// has returned and the wait has begun, on the thread that awaits. An exception of `start` ends the
/// task; a Completion of which all copies are gone without a call ends it with std::logic_error.
///
///     Task<int> answer = from_callback<int>([&client](Completion<int> done) {
///       client.ask([done](int value) { done(value); });
///     });
template <class T, class F>
Task<T> from_callback(F start) {
  static_assert(std::invocable<F&, Completion<T>>,
                "from_callback<T>: the function must take a mx_rmq::Completion<T>");
  const auto state = std::make_shared<detail::CallbackState<T>>();
  start(Completion<T>(state));
  co_await state->meeting.wait();
  if constexpr (!std::is_void_v<T>) co_return std::move(*state->value);
}

}  // namespace mx_rmq
