#include "allocations.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

// The counters are each thread's own, in a cache line of its own, so that counting costs next to
// nothing; only threads beyond the last slot share one.
namespace {

struct alignas(64) Slot {
  std::atomic<std::uint64_t> count{0};
  std::atomic<std::uint64_t> bytes{0};
};
constinit std::array<Slot, 256> slots;
constinit std::atomic<unsigned> threads{0};
constinit thread_local unsigned mine = ~0U;

void count(std::size_t bytes) noexcept {
  if (mine == ~0U) mine = threads.fetch_add(1, std::memory_order_relaxed);
  if (mine < slots.size() - 1) {
    Slot& slot = slots[mine];
    slot.count.store(slot.count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    slot.bytes.store(slot.bytes.load(std::memory_order_relaxed) + bytes, std::memory_order_relaxed);
  } else {
    slots.back().count.fetch_add(1, std::memory_order_relaxed);
    slots.back().bytes.fetch_add(bytes, std::memory_order_relaxed);
  }
}

void* take(std::size_t bytes) {
  count(bytes);
  if (void* const memory = std::malloc(bytes != 0 ? bytes : 1)) return memory;
  throw std::bad_alloc();
}

void* take(std::size_t bytes, std::align_val_t alignment) {
  count(bytes);
  const auto unit = static_cast<std::size_t>(alignment);
  if (void* const memory = std::aligned_alloc(unit, (bytes + unit - 1) / unit * unit))
    return memory;
  throw std::bad_alloc();
}

}  // namespace

namespace bench {

Allocations allocations() noexcept {
  Allocations sum;
  for (const Slot& slot : slots) {
    sum.count += slot.count.load(std::memory_order_relaxed);
    sum.bytes += slot.bytes.load(std::memory_order_relaxed);
  }
  return sum;
}

}  // namespace bench

void* operator new(std::size_t bytes) { return take(bytes); }
void* operator new[](std::size_t bytes) { return take(bytes); }
void* operator new(std::size_t bytes, std::align_val_t alignment) { return take(bytes, alignment); }
void* operator new[](std::size_t bytes, std::align_val_t alignment) {
  return take(bytes, alignment);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
