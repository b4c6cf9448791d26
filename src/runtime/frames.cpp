#include "runtime/frames.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <new>
#include <utility>

#include "mx_rmq/task.hpp"

// Sanitizers are to see each frame come and go.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MX_RMQ_POOL_FRAMES 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define MX_RMQ_POOL_FRAMES 0
#endif
#endif
#ifndef MX_RMQ_POOL_FRAMES
#define MX_RMQ_POOL_FRAMES 1
#endif

namespace mx_rmq {

namespace {

constexpr bool pool_frames = MX_RMQ_POOL_FRAMES == 1;

// Frames of one coroutine come and go by the hundred thousand a second and all have one size: each
// thread keeps freed blocks in lists by size. A block goes to the list of the thread that frees it.
constexpr std::size_t step = 64;
constexpr std::size_t classes = 16;             // so blocks up to 1 KiB are kept
constexpr std::size_t kept_bytes = 256 * 1024;  // a class and thread, at most

struct FreeBlock {
  FreeBlock* next;
};

struct FreeList {
  FreeBlock* first = nullptr;
  std::size_t count = 0;
};

// The counter is in several places, so that threads seldom meet at one.
constexpr std::size_t counters = 16;
struct alignas(64) Counter {
  std::atomic<std::int64_t> value{0};
};
constinit std::array<Counter, counters> frame_counters;
constinit std::atomic<std::size_t> next_counter{0};

/// Has no destructor: coroutines may still end after the thread-local objects are gone.
struct ThreadFrames {
  std::array<FreeList, classes> lists;
  std::atomic<std::int64_t>* counter = nullptr;
  bool ended = false;  // nothing is kept any more
};
constinit thread_local ThreadFrames thread_frames;

/// Gives a thread's blocks back when it ends.
struct Release {
  ~Release() {
    thread_frames.ended = true;
    for (FreeList& list : thread_frames.lists) {
      while (list.first != nullptr) ::operator delete(std::exchange(list.first, list.first->next));
      list.count = 0;
    }
  }
};
thread_local Release release_at_thread_end;

void count(ThreadFrames& mine, std::int64_t change) noexcept {
  if (mine.counter == nullptr) {
    const std::size_t index = next_counter.fetch_add(1, std::memory_order_relaxed) % counters;
    mine.counter = &frame_counters[index].value;
    // Its first use is what makes the destructor run.
    static_cast<void>(&release_at_thread_end);
  }
  mine.counter->fetch_add(change, std::memory_order_relaxed);
}

constexpr std::size_t class_of(std::size_t bytes) { return (bytes - 1) / step; }

}  // namespace

namespace detail {

void* allocate_frame(std::size_t bytes) {
  ThreadFrames& mine = thread_frames;
  const std::size_t index = class_of(bytes);
  void* frame = nullptr;
  if (pool_frames && index < classes) {
    FreeList& list = mine.lists[index];
    if (list.first != nullptr) {
      frame = std::exchange(list.first, list.first->next);
      --list.count;
    } else {
      frame = ::operator new((index + 1) * step);
    }
  } else {
    frame = ::operator new(bytes);
  }
  count(mine, 1);
  return frame;
}

void free_frame(void* frame, std::size_t bytes) noexcept {
  ThreadFrames& mine = thread_frames;
  count(mine, -1);
  const std::size_t index = class_of(bytes);
  if (pool_frames && index < classes && !mine.ended) {
    FreeList& list = mine.lists[index];
    if (list.count < kept_bytes / ((index + 1) * step)) {
      list.first = ::new (frame) FreeBlock{list.first};
      ++list.count;
      return;
    }
  }
  ::operator delete(frame);
}

}  // namespace detail

namespace runtime {

std::int64_t live_frames() noexcept {
  std::int64_t total = 0;
  for (const Counter& counter : frame_counters) {
    total += counter.value.load(std::memory_order_relaxed);
  }
  return total;
}

}  // namespace runtime
}  // namespace mx_rmq
