#pragma once

#include <coroutine>
#include <cstddef>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "runtime/event_loop.hpp"

namespace mx_rmq::runtime {

/// A first-in first-out queue with a limit. Loop thread only.
///
/// Elements are handed over, never raced for: a push gives its element straight to the one who has
/// waited longest for it, and a pop takes in the element of the one who has waited longest for
/// room. So wake-ups are neither lost nor in vain, whatever happens within one turn. Who is woken
/// goes on from the ready list.
///
/// States: running; draining after close(): no new elements, the old ones are still handed out;
/// stopped after stop(): nothing is handed out. No element is ever dropped: it is popped, or comes
/// back from stop(), or from the push that could not place it.
///
/// If the queue is destroyed while somebody waits, it behaves as at stop(). The loop's shutdown is
/// not told to it: the owner stops it.
template <class T>
class BoundedQueue {
 public:
  /// `capacity` 1 or more.
  BoundedQueue(EventLoop& loop, std::size_t capacity);
  ~BoundedQueue();
  BoundedQueue(const BoundedQueue&) = delete;
  BoundedQueue& operator=(const BoundedQueue&) = delete;

  enum class State { running, draining, stopped };

  /// Moves from `element` and gives true if there was room and the queue is running.
  bool try_push(T& element);
  bool try_push(T&& element) { return try_push(element); }

  class Push;
  class Pop;
  /// Awaitable to std::optional<T>: waits for room. Empty when the queue took the element, else the
  /// element itself, refused because the queue was closed or stopped.
  [[nodiscard]] Push push(T element);
  /// Awaitable to std::optional<T>: waits for an element. Empty when draining and drained, or
  /// stopped.
  [[nodiscard]] Pop pop();

  /// An element if there is one and the queue is not stopped.
  std::optional<T> try_pop();

  /// Draining from now on. Those who wait for room get their elements back.
  void close();
  /// Stopped from now on; gives what was still queued, in order. Everybody who waits is woken.
  std::vector<T> stop();

  State state() const noexcept { return state_; }
  std::size_t size() const noexcept { return elements_.size(); }
  std::size_t capacity() const noexcept { return capacity_; }
  /// How many wait for an element.
  std::size_t poppers() const noexcept { return poppers_.size(); }

 private:
  bool place(T& element);
  void refuse_pushers();
  void dismiss_poppers();

  EventLoop& loop_;
  const std::size_t capacity_;
  State state_ = State::running;
  std::deque<T> elements_;
  std::deque<Push*> pushers_;
  std::deque<Pop*> poppers_;
};

}  // namespace mx_rmq::runtime

#include "runtime/bounded_queue.ipp"
