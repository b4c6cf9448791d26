#pragma once

#include <coroutine>
#include <exception>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <variant>

#include "runtime/event_loop.hpp"

namespace mx_rmq::runtime {

/// A result that comes later, once, for one awaiter. The awaiter goes on from the ready list.
///
/// Loop thread only. It must live until the awaiter has gone on. It is not told of the loop's
/// shutdown: whoever is to complete it has to do so.
template <class T = void>
class OneShot {
 public:
  explicit OneShot(EventLoop& loop) noexcept : loop_(loop) {}
  OneShot(const OneShot&) = delete;
  OneShot& operator=(const OneShot&) = delete;

  /// True if this was the first completion; a later one changes nothing.
  template <class... Args>
  bool complete(Args&&... args) {
    if (done()) return false;
    result_.template emplace<1>(std::forward<Args>(args)...);
    wake();
    return true;
  }
  bool fail(std::exception_ptr error) {
    if (done()) return false;
    result_.template emplace<2>(std::move(error));
    wake();
    return true;
  }
  bool done() const noexcept { return result_.index() != 0; }

  /// Awaitable: the result, or the exception rethrown. Once.
  class Wait {
   public:
    explicit Wait(OneShot& owner) noexcept : owner_(owner) {}
    bool await_ready() const noexcept { return owner_.done(); }
    void await_suspend(std::coroutine_handle<> coroutine) {
      if (owner_.awaiter_) throw std::logic_error("mx_rmq: a OneShot has one awaiter");
      owner_.awaiter_ = coroutine;
    }
    T await_resume() { return owner_.take(); }

   private:
    OneShot& owner_;
  };
  Wait wait() noexcept { return Wait(*this); }

 private:
  struct Nothing {};
  using Stored = std::conditional_t<std::is_void_v<T>, Nothing, T>;

  void wake() {
    if (awaiter_) loop_.defer(std::exchange(awaiter_, {}));
  }
  T take() {
    if (result_.index() == 2) std::rethrow_exception(std::move(std::get<2>(result_)));
    if constexpr (!std::is_void_v<T>) return std::move(std::get<1>(result_));
  }

  EventLoop& loop_;
  std::variant<std::monostate, Stored, std::exception_ptr> result_;
  std::coroutine_handle<> awaiter_;
};

}  // namespace mx_rmq::runtime
