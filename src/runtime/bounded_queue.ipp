// Part of bounded_queue.hpp.
#pragma once

#include <algorithm>
#include <iterator>
#include <stdexcept>

namespace mx_rmq::runtime {

/// One who waits for room; lives in its coroutine's frame, with the element.
template <class T>
class BoundedQueue<T>::Push {
 public:
  Push(BoundedQueue& queue, T&& element) : queue_(&queue), element_(std::move(element)) {}
  Push(const Push&) = delete;
  Push& operator=(const Push&) = delete;

  bool await_ready() {
    if (queue_->place(*element_)) element_.reset();
    return !element_ || queue_->state_ != State::running;
  }
  void await_suspend(std::coroutine_handle<> coroutine) {
    coroutine_ = coroutine;
    queue_->pushers_.push_back(this);
  }
  std::optional<T> await_resume() { return std::move(element_); }

 private:
  friend BoundedQueue;
  BoundedQueue* queue_;
  std::optional<T> element_;
  std::coroutine_handle<> coroutine_;
};

/// One who waits for an element; lives in its coroutine's frame.
template <class T>
class BoundedQueue<T>::Pop {
 public:
  explicit Pop(BoundedQueue& queue) noexcept : queue_(&queue) {}
  Pop(const Pop&) = delete;
  Pop& operator=(const Pop&) = delete;

  bool await_ready() {
    element_ = queue_->try_pop();
    return element_ || queue_->state_ != State::running;
  }
  void await_suspend(std::coroutine_handle<> coroutine) {
    coroutine_ = coroutine;
    queue_->poppers_.push_back(this);
  }
  std::optional<T> await_resume() { return std::move(element_); }

 private:
  friend BoundedQueue;
  BoundedQueue* queue_;
  std::optional<T> element_;
  std::coroutine_handle<> coroutine_;
};

template <class T>
BoundedQueue<T>::BoundedQueue(EventLoop& loop, std::size_t capacity)
    : loop_(loop), capacity_(capacity) {
  if (capacity == 0) throw std::invalid_argument("mx_rmq: BoundedQueue: capacity must be positive");
}

template <class T>
BoundedQueue<T>::~BoundedQueue() {
  stop();
}

template <class T>
bool BoundedQueue<T>::try_push(T& element) {
  return place(element);
}

template <class T>
typename BoundedQueue<T>::Push BoundedQueue<T>::push(T element) {
  return Push(*this, std::move(element));
}

template <class T>
typename BoundedQueue<T>::Pop BoundedQueue<T>::pop() {
  return Pop(*this);
}

template <class T>
std::optional<T> BoundedQueue<T>::try_pop() {
  if (elements_.empty()) return std::nullopt;  // as after stop()
  std::optional<T> element(std::move(elements_.front()));
  elements_.pop_front();
  if (!pushers_.empty()) {
    Push* const pusher = pushers_.front();
    elements_.push_back(std::move(*pusher->element_));
    pushers_.pop_front();
    pusher->element_.reset();
    loop_.defer(pusher->coroutine_);
  }
  return element;
}

template <class T>
void BoundedQueue<T>::close() {
  if (state_ != State::running) return;
  state_ = State::draining;
  refuse_pushers();
  dismiss_poppers();  // if somebody waits, the queue is empty
}

template <class T>
std::vector<T> BoundedQueue<T>::stop() {
  state_ = State::stopped;
  refuse_pushers();
  dismiss_poppers();
  std::vector<T> rest(std::make_move_iterator(elements_.begin()),
                      std::make_move_iterator(elements_.end()));
  elements_.clear();
  return rest;
}

template <class T>
bool BoundedQueue<T>::place(T& element) {
  if (state_ != State::running) return false;
  if (!poppers_.empty()) {
    Pop* const popper = poppers_.front();
    popper->element_.emplace(std::move(element));
    poppers_.pop_front();
    loop_.defer(popper->coroutine_);
    return true;
  }
  if (elements_.size() >= capacity_) return false;
  elements_.push_back(std::move(element));
  return true;
}

template <class T>
void BoundedQueue<T>::refuse_pushers() {
  for (Push* const pusher : pushers_) loop_.defer(pusher->coroutine_);
  pushers_.clear();
}

template <class T>
void BoundedQueue<T>::dismiss_poppers() {
  for (Pop* const popper : poppers_) loop_.defer(popper->coroutine_);
  poppers_.clear();
}

}  // namespace mx_rmq::runtime
