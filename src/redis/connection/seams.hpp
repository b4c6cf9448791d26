#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "redis/connection/options.hpp"
#include "redis/connection/transport.hpp"

namespace mx_rmq::runtime {
class EventLoop;
}

namespace mx_rmq::redis {

/// Where jitter and the ids of consumers and producers come from. Loop thread only.
class Rng {
 public:
  virtual ~Rng() = default;
  /// 64 uniform bits.
  virtual std::uint64_t next() = 0;
};

/// Turns a host into addresses. Loop thread only.
class Resolver {
 public:
  struct Result {
    std::vector<Address> addresses;  ///< in the order to try
    std::string error;               ///< why there is none
  };
  using Callback = std::function<void(Result)>;

  virtual ~Resolver() = default;
  /// Never calls back before it returned. The callback runs once, on the loop thread; whoever lost
  /// interest meanwhile ignores it.
  virtual void resolve(std::string host, int port, Callback done) = 0;
};

/// What tests and simulators replace. (The clock is the event loop's own seam.)
struct Seams {
  using TransportFactory = std::function<std::unique_ptr<Transport>(TransportEvents&)>;

  TransportFactory transport;
  std::shared_ptr<Resolver> resolver;
  std::shared_ptr<Rng> rng;
  /// Whether a port that ends connections without a word may be asked whether it speaks TLS.
  bool may_ask_for_tls = false;

  /// libuv's sockets and resolver, and randomness from the system. `loop` must outlive all of it.
  static Seams real(runtime::EventLoop& loop, const ConnectionOptions& options);
};

}  // namespace mx_rmq::redis
