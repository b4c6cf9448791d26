// Preloaded into redis-server: while the file of $MX_RMQ_FAULTS_DIAL (dial.hpp) says 1, there is no
// room on the disk for what it writes to files *.aof.
#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdlib>
#include <string_view>

#include "faults/preload/dial_reader.hpp"

namespace {

template <class F>
F* next(const char* name) {
  void* const found = ::dlsym(RTLD_NEXT, name);
  if (found == nullptr) std::abort();
  return reinterpret_cast<F*>(found);
}

std::array<std::atomic<bool>, 4096> concerned;

void opened(int descriptor, const char* path) {
  if (descriptor >= 0 && static_cast<std::size_t>(descriptor) < concerned.size())
    concerned[static_cast<std::size_t>(descriptor)] = std::string_view(path).ends_with(".aof");
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  static auto* const real = next<int(const char*, int, ...)>("open");
  va_list more;
  va_start(more, flags);
  const unsigned mode = (flags & O_CREAT) != 0 ? va_arg(more, unsigned) : 0;
  va_end(more);
  const int descriptor = real(path, flags, mode);
  opened(descriptor, path);
  return descriptor;
}

int open64(const char* path, int flags, ...) {
  static auto* const real = next<int(const char*, int, ...)>("open64");
  va_list more;
  va_start(more, flags);
  const unsigned mode = (flags & O_CREAT) != 0 ? va_arg(more, unsigned) : 0;
  va_end(more);
  const int descriptor = real(path, flags, mode);
  opened(descriptor, path);
  return descriptor;
}

ssize_t write(int descriptor, const void* bytes, size_t size) {
  static auto* const real = next<ssize_t(int, const void*, size_t)>("write");
  if (descriptor >= 0 && static_cast<std::size_t>(descriptor) < concerned.size() &&
      concerned[static_cast<std::size_t>(descriptor)] && mx_rmq::faults::dialled() != 0) {
    errno = ENOSPC;
    return -1;
  }
  return real(descriptor, bytes, size);
}

int close(int descriptor) {
  static auto* const real = next<int(int)>("close");
  if (descriptor >= 0 && static_cast<std::size_t>(descriptor) < concerned.size())
    concerned[static_cast<std::size_t>(descriptor)] = false;
  return real(descriptor);
}

}  // extern "C"
