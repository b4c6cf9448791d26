#include "faults/dial.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <stdexcept>

#include "support/paths.hpp"

namespace mx_rmq::faults {

Dial::Dial() {
  // RedisServer removes what killed tests have left under this name.
  path_ = "/tmp/mxrmq-test-" + std::to_string(::getpid()) + "-dial-XXXXXX";
  const int file = ::mkostemp(path_.data(), O_CLOEXEC);
  if (file < 0) throw std::runtime_error("cannot make " + path_);
  void* place = MAP_FAILED;
  if (::ftruncate(file, sizeof(std::int64_t)) == 0)
    place = ::mmap(nullptr, sizeof(std::int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  ::close(file);
  if (place == MAP_FAILED) {
    ::unlink(path_.c_str());
    throw std::runtime_error("cannot map " + path_);
  }
  place_ = static_cast<std::atomic<std::int64_t>*>(place);
}

Dial::~Dial() {
  ::munmap(place_, sizeof(std::int64_t));
  ::unlink(path_.c_str());
}

std::string Dial::preload(const std::string& name) {
  return "LD_PRELOAD=" + test::fault_program("lib" + name + ".so");
}

}  // namespace mx_rmq::faults
