#pragma once

#include <cstddef>
#include <cstdint>

#include <uv.h>

#include "runtime/event_loop.hpp"

namespace mx_rmq::runtime {

/// The libuv side of an EventLoop: its loop and the five handles that drive it. Loop thread only,
/// except wake().
struct EventLoop::Handles {
  /// What the handles call; they are C callbacks and must not throw.
  struct Callbacks {
    void* self;
    void (*woken)(void* self) noexcept;
    void (*timer)(void* self) noexcept;
    void (*before_poll)(void* self) noexcept;
    void (*after_poll)(void* self) noexcept;
  };

  /// Throws std::system_error.
  explicit Handles(Callbacks callbacks);
  /// Also for a loop that never ran.
  ~Handles();
  Handles(const Handles&) = delete;
  Handles& operator=(const Handles&) = delete;

  uv_loop_t* loop() noexcept { return &loop_; }

  /// Any thread, until close().
  void wake() noexcept;
  /// Waiting for input returns at once while this is on.
  void keep_spinning(bool on) noexcept;
  void start_timer(std::uint64_t milliseconds) noexcept;
  void stop_timer() noexcept;

  /// Until close(), and all is closed.
  void run() noexcept;

  /// True if there are handles or requests that are not the loop's own.
  bool busy_with_others() noexcept;
  /// Closes handles that others left open; gives how many.
  std::size_t close_others() noexcept;
  void close() noexcept;
  bool closing() const noexcept { return closing_; }
  /// False if a request is still under way; the memory must then stay.
  bool close_loop() noexcept;

 private:
  bool is_own(const uv_handle_t* handle) const noexcept;

  Callbacks callbacks_;
  uv_loop_t loop_{};
  uv_async_t async_{};
  uv_timer_t timer_{};
  uv_prepare_t prepare_{};
  uv_check_t check_{};
  uv_idle_t idle_{};
  bool spinning_ = false;
  bool closing_ = false;
  bool closed_ = false;
};

}  // namespace mx_rmq::runtime
