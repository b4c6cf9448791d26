// For libraries that are preloaded: what the test's dial says at this moment.
#pragma once

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

namespace mx_rmq::faults {

// 0 until the file is mapped, which a constructor does: before it nothing but loading takes place.
inline std::atomic<const std::atomic<std::int64_t>*> dial_place{nullptr};

__attribute__((constructor)) inline void map_dial() {
  const char* const path = ::getenv("MX_RMQ_FAULTS_DIAL");
  if (path == nullptr) return;
  // Not through open(), which the library may have replaced.
  const long file = ::syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
  if (file < 0) ::abort();
  void* const place =
      ::mmap(nullptr, sizeof(std::int64_t), PROT_READ, MAP_SHARED, static_cast<int>(file), 0);
  ::syscall(SYS_close, file);
  if (place == MAP_FAILED) ::abort();
  dial_place = static_cast<const std::atomic<std::int64_t>*>(place);
}

inline std::int64_t dialled() noexcept {
  const auto* const place = dial_place.load();
  return place == nullptr ? 0 : place->load();
}

}  // namespace mx_rmq::faults
