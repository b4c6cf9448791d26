#include "runtime/event.hpp"

#include <utility>

#include "mx_rmq/errors.hpp"

namespace mx_rmq::runtime {

Event::~Event() {
  while (first_ != nullptr) first_->leave(Waiter::Outcome::shut_down);
}

void Event::set() {
  set_ = true;
  while (first_ != nullptr) first_->leave(Waiter::Outcome::set);
}

void Event::link(Waiter& waiter) noexcept {
  waiter.previous_ = last_;
  (last_ != nullptr ? last_->next_ : first_) = &waiter;
  last_ = &waiter;
}

void Event::unlink(Waiter& waiter) noexcept {
  (waiter.previous_ != nullptr ? waiter.previous_->next_ : first_) = waiter.next_;
  (waiter.next_ != nullptr ? waiter.next_->previous_ : last_) = waiter.previous_;
}

bool Event::Waiter::await_ready() noexcept {
  if (!event_->set_) return false;
  outcome_ = Outcome::set;
  return true;
}

void Event::Waiter::enter(std::coroutine_handle<> coroutine, const TimePoint* deadline) {
  coroutine_ = coroutine;
  EventLoop& loop = event_->loop_;
  if (deadline != nullptr)
    timer_ = loop.call_at(*deadline, [this] { leave(Outcome::timed_out); });  // or throws
  if (told_of_shutdown_) loop.add_listener(*this);  // or throws, but not after call_at() has not
  event_->link(*this);
}

void Event::Waiter::leave(Outcome outcome) {
  EventLoop& loop = event_->loop_;
  event_->unlink(*this);
  if (timer_) loop.cancel(timer_);
  loop.remove_listener(*this);
  outcome_ = outcome;
  loop.defer(coroutine_);
}

void Event::Waiter::on_shutdown() noexcept { leave(Outcome::shut_down); }

bool Event::Waiter::finish() const {
  if (outcome_ == Outcome::shut_down) {
    throw ShutdownError("mx_rmq: what was waited for has been shut down");
  }
  return outcome_ == Outcome::set;
}

}  // namespace mx_rmq::runtime
