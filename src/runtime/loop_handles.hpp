#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include <uv.h>

#include "runtime/event_loop.hpp"

namespace mx_rmq::runtime {

/// The libuv side of an EventLoop: its loop and the handles that drive it. The loop is its
/// own, or a program's, on which it is a guest: then it neither runs nor frees the loop, and tells
/// when its handles are closed. Loop thread only, except wake().
struct EventLoop::Handles {
  /// What the handles call; they are C callbacks and must not throw.
  struct Callbacks {
    void* self;
    void (*woken)(void* self) noexcept;
    void (*timer)(void* self) noexcept;
    void (*before_poll)(void* self) noexcept;
    void (*after_poll)(void* self) noexcept;
    void (*closed)(void* self) noexcept;  // of a guest; may destroy the handles
  };

  /// `host`: the program's loop, nullptr for one of its own. Throws std::system_error.
  Handles(Callbacks callbacks, uv_loop_t* host);
  /// Also for a loop that never ran. A guest's handles must be closed: see leave().
  ~Handles();
  Handles(const Handles&) = delete;
  Handles& operator=(const Handles&) = delete;

  uv_loop_t* loop() noexcept { return loop_; }
  bool is_guest() const noexcept { return loop_ != &own_; }
  /// Of a guest: closes them, and frees them when the loop has done that. Nothing is told any more.
  static void leave(std::unique_ptr<Handles> handles) noexcept;

  /// Any thread, until close().
  void wake() noexcept;
  /// Waiting for input returns at once while this is on.
  void keep_spinning(bool on) noexcept;
  /// Once, after that time: never before, and not a millisecond late where the system has a timer
  /// that is finer than libuv's. It may be told twice.
  void start_timer(Duration left) noexcept;
  void stop_timer() noexcept;

  /// Until close(), and all is closed.
  void run() noexcept;

  /// True if there are handles or requests that are not the loop's own.
  bool busy_with_others() noexcept;
  /// Closes handles that others left open; gives how many.
  std::size_t close_others() noexcept;
  void close() noexcept;
  bool closing() const noexcept { return closing_; }
  bool closed() const noexcept { return closed_; }
  /// False if a request is still under way; the memory must then stay.
  bool close_loop() noexcept;

 private:
  void open_fine_timer() noexcept;
  void set_fine_timer(Duration left) noexcept;
  bool is_own(const uv_handle_t* handle) const noexcept;
  static void on_closed(uv_handle_t* handle) noexcept;

  Callbacks callbacks_;
  uv_loop_t own_{};
  uv_loop_t* const loop_;
  uv_async_t async_{};
  uv_timer_t timer_{};
  uv_poll_t fine_{};
  int fine_fd_ = -1;  // a timer of the system's, in ns; there may be none
  bool fine_on_ = false;
  uv_prepare_t prepare_{};
  uv_check_t check_{};
  uv_idle_t idle_{};
  bool spinning_ = false;
  bool closing_ = false;
  bool closed_ = false;
  int open_ = 5;  // handles that are not closed; counted on a program's loop
};

}  // namespace mx_rmq::runtime
