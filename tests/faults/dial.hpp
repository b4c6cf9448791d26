// A number that a test sets and a library preloaded into redis-server reads at any moment.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

namespace mx_rmq::faults {

class Dial {
 public:
  // 0 at first. Throws std::runtime_error if there can be no such file.
  Dial();
  ~Dial();
  Dial(const Dial&) = delete;
  Dial& operator=(const Dial&) = delete;

  void set(std::int64_t value) { place_->store(value); }
  // What redis-server's environment needs for the library lib<name>.so to look at it.
  [[nodiscard]] std::string variable() const { return "MX_RMQ_FAULTS_DIAL=" + path_; }
  static std::string preload(const std::string& name);

 private:
  std::string path_;
  std::atomic<std::int64_t>* place_ = nullptr;
};

}  // namespace mx_rmq::faults
