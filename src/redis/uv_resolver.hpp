#pragma once

#include <string>

#include "redis/seams.hpp"

namespace mx_rmq::redis {

/// getaddrinfo on libuv's threads. A numeric address needs none. A look-up cannot be stopped: at the
/// loop's end it is waited for as long as the loop's grace allows.
class UvResolver final : public Resolver {
 public:
  explicit UvResolver(runtime::EventLoop& loop) : loop_(loop) {}
  void resolve(std::string host, int port, Callback done) override;

 private:
  runtime::EventLoop& loop_;
};

}  // namespace mx_rmq::redis
