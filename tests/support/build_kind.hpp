// What kind of build a test runs in: figures hold only in an optimized one, and a sanitizer makes
// everything several times slower.
#pragma once

#include <algorithm>

namespace mx_rmq::test {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool sanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = false;
#endif
#else
inline constexpr bool sanitized = false;
#endif

// What drives the tests is not optimized itself (cmake/Precompiled.cmake); the library is what
// counts.
#if defined(__OPTIMIZE__) || defined(MX_RMQ_OPTIMIZED_LIBRARY)
inline constexpr bool optimized = !sanitized;
#else
inline constexpr bool optimized = false;
#endif

// How many messages and the like: `full` in an optimized build, a tenth of it in any other.
template <class N>
constexpr N scaled(N full) {
  return optimized ? full : std::max<N>(full / 10, 1);
}

}  // namespace mx_rmq::test
