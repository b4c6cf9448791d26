// Counts what the whole program takes from the heap by operator new.
#pragma once

#include <cstdint>

namespace bench {

struct Allocations {
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;
};

// Since the program began, all threads together.
Allocations allocations() noexcept;

}  // namespace bench
