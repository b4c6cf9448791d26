#pragma once

#include <cassert>
#include <cstdint>

#include "redis/connection/seams.hpp"
#include "runtime/mono_clock.hpp"

namespace mx_rmq::worker {

/// Uniform between the two.
inline runtime::Duration between(redis::Rng& rng, runtime::Duration low, runtime::Duration high) {
  assert(low <= high && "a span has its ends in order");
  const auto span = static_cast<std::uint64_t>((high - low).count()) + 1;
  return low + runtime::Duration(static_cast<std::int64_t>(rng.next() % span));
}

}  // namespace mx_rmq::worker
