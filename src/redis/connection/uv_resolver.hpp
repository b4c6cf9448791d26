#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "redis/connection/seams.hpp"

namespace mx_rmq::redis {

/// getaddrinfo on libuv's threads. A numeric address needs none. Who asks for what is being looked
/// up joins that look-up: with a name server that does not answer, twenty connections that try
/// again and again must not pile up requests. A look-up cannot be stopped: at the loop's end it is
/// waited for as long as the loop's grace allows.
class UvResolver final : public Resolver {
 public:
  explicit UvResolver(runtime::EventLoop& loop) : loop_(loop) {}
  void resolve(std::string host, int port, Callback done) override;

 private:
  using Key = std::pair<std::string, int>;
  using Waiting = std::map<Key, std::vector<Callback>>;
  struct Request;

  void answer(Callback done, Result result);

  runtime::EventLoop& loop_;
  const std::shared_ptr<Waiting> waiting_ = std::make_shared<Waiting>();  // requests hold it too
};

}  // namespace mx_rmq::redis
