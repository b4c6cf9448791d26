#pragma once

#include <string>
#include <utility>

namespace mx_rmq::redis {

/// A password. There is no operator<< and no conversion, so that it cannot slip into a log line or
/// an error's text by accident: whoever needs it says `reveal()`. Its memory is overwritten at the
/// end.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}
  Secret(const Secret&) = default;
  Secret& operator=(const Secret& other) {
    if (this != &other) {
      wipe();
      value_ = other.value_;
    }
    return *this;
  }
  ~Secret() { wipe(); }

  [[nodiscard]] bool empty() const noexcept { return value_.empty(); }
  [[nodiscard]] const std::string& reveal() const noexcept { return value_; }
  friend bool operator==(const Secret&, const Secret&) = default;

 private:
  void wipe() noexcept {
    volatile char* p = value_.data();
    for (std::size_t i = 0; i < value_.size(); ++i) p[i] = '\0';
  }

  std::string value_;
};

}  // namespace mx_rmq::redis
