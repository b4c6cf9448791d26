// What a seed draws.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "runtime/mono_clock.hpp"

namespace mx_rmq::sim {

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  std::uint64_t bits() { return engine_(); }
  // 0 .. n-1.
  std::uint64_t below(std::uint64_t n) { return n == 0 ? 0 : engine_() % n; }
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(high - low) + 1));
  }
  bool chance(int percent) { return below(100) < static_cast<std::uint64_t>(percent); }
  runtime::Duration span(runtime::Duration low, runtime::Duration high) {
    return runtime::Duration(between(low.count(), high.count()));
  }
  template <class T>
  const T& one_of(const std::vector<T>& items) {
    return items[below(items.size())];
  }

 private:
  std::mt19937_64 engine_;
};

// The same bits for the same numbers, whenever they are asked for.
inline std::uint64_t mixed(std::uint64_t a, std::uint64_t b) {
  std::uint64_t x = a * 0x9e3779b97f4a7c15ULL ^ (b + 0xbf58476d1ce4e5b9ULL);
  for (const int shift : {30, 27, 31}) {
    x ^= x >> shift;
    x *= 0x94d049bb133111ebULL;
  }
  return x ^ (x >> 31);
}

}  // namespace mx_rmq::sim
