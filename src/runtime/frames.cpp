#include "runtime/frames.hpp"

#include <atomic>
#include <new>

#include "mx_rmq/task.hpp"

namespace mx_rmq {

namespace {

std::atomic<std::int64_t> frames{0};

}  // namespace

namespace detail {

void* allocate_frame(std::size_t bytes) {
  void* frame = ::operator new(bytes);
  frames.fetch_add(1, std::memory_order_relaxed);
  return frame;
}

void free_frame(void* frame, std::size_t) noexcept {
  frames.fetch_sub(1, std::memory_order_relaxed);
  ::operator delete(frame);
}

}  // namespace detail

namespace runtime {

std::int64_t live_frames() noexcept { return frames.load(std::memory_order_relaxed); }

}  // namespace runtime
}  // namespace mx_rmq
