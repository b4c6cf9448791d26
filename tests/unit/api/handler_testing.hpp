#pragma once

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <stop_token>
#include <utility>

#include "mx_rmq/handler.hpp"

namespace mx_rmq::test {

/// A context without a worker: message "id-1" of "orders", attempt 2 of 4.
class FakeContext : public detail::ContextImpl {
 public:
  explicit FakeContext(nlohmann::json payload) {
    message_.id = "id-1";
    message_.topic = "orders";
    message_.payload = std::move(payload);
  }
  const Message& message() const noexcept override { return message_; }
  int attempt() const noexcept override { return 2; }
  int max_attempts() const noexcept override { return 4; }
  std::chrono::steady_clock::time_point deadline() const noexcept override {
    return std::chrono::steady_clock::time_point(std::chrono::seconds(5));
  }
  std::stop_token stop_token() const noexcept override { return source_.get_token(); }
  Task<> extend(std::chrono::milliseconds by) override {
    extended_ = by;
    co_return;
  }

  std::stop_source source_;
  std::chrono::milliseconds extended_{0};

 private:
  Message message_;
};

inline std::shared_ptr<Context> context_with(nlohmann::json payload) {
  return std::make_shared<Context>(std::make_unique<FakeContext>(std::move(payload)));
}

}  // namespace mx_rmq::test
