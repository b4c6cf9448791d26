// Preloaded into redis-server: what it writes to a file *.aof stays in its memory until it syncs
// that file. A SIGKILL then leaves on disk what a power cut would leave. Opening, writing and
// syncing only; nothing else of libc is touched.
#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdarg>
#include <cstdlib>
#include <mutex>
#include <string>
#include <string_view>

namespace {

template <class F>
F* next(const char* name) {
  void* const found = ::dlsym(RTLD_NEXT, name);
  if (found == nullptr) std::abort();
  return reinterpret_cast<F*>(found);
}

using Write = ssize_t(int, const void*, size_t);

struct File {
  bool lazy = false;
  std::string kept;
};

// Never destroyed: threads of the server write until the very end.
struct Files {
  std::mutex mutex;
  std::array<File, 4096> all;
};
Files& files() {
  static auto* const made = new Files;
  return *made;
}

bool in_range(int descriptor) {
  return descriptor >= 0 && static_cast<std::size_t>(descriptor) < files().all.size();
}

void opened(int descriptor, const char* path, int flags) {
  if (!in_range(descriptor)) return;
  const bool writes = (flags & (O_WRONLY | O_RDWR)) != 0;
  const std::lock_guard lock(files().mutex);
  File& file = files().all[static_cast<std::size_t>(descriptor)];
  file.lazy = writes && std::string_view(path).ends_with(".aof");
  file.kept.clear();
}

// True if all that was kept is out.
bool flush(int descriptor) {
  static auto* const real = next<Write>("write");
  if (!in_range(descriptor)) return true;
  const std::lock_guard lock(files().mutex);
  std::string& kept = files().all[static_cast<std::size_t>(descriptor)].kept;
  while (!kept.empty()) {
    const ssize_t written = real(descriptor, kept.data(), kept.size());
    if (written <= 0) return false;
    kept.erase(0, static_cast<std::size_t>(written));
  }
  return true;
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
  opened(descriptor, path, flags);
  return descriptor;
}

int open64(const char* path, int flags, ...) {
  static auto* const real = next<int(const char*, int, ...)>("open64");
  va_list more;
  va_start(more, flags);
  const unsigned mode = (flags & O_CREAT) != 0 ? va_arg(more, unsigned) : 0;
  va_end(more);
  const int descriptor = real(path, flags, mode);
  opened(descriptor, path, flags);
  return descriptor;
}

ssize_t write(int descriptor, const void* bytes, size_t size) {
  static auto* const real = next<Write>("write");
  if (in_range(descriptor)) {
    const std::lock_guard lock(files().mutex);
    File& file = files().all[static_cast<std::size_t>(descriptor)];
    if (file.lazy) {
      file.kept.append(static_cast<const char*>(bytes), size);
      return static_cast<ssize_t>(size);
    }
  }
  return real(descriptor, bytes, size);
}

int fsync(int descriptor) {
  static auto* const real = next<int(int)>("fsync");
  return flush(descriptor) ? real(descriptor) : -1;
}

int fdatasync(int descriptor) {
  static auto* const real = next<int(int)>("fdatasync");
  return flush(descriptor) ? real(descriptor) : -1;
}

int close(int descriptor) {
  static auto* const real = next<int(int)>("close");
  if (in_range(descriptor)) {
    flush(descriptor);
    const std::lock_guard lock(files().mutex);
    files().all[static_cast<std::size_t>(descriptor)].lazy = false;
  }
  return real(descriptor);
}

}  // extern "C"
