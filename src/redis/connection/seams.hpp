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
    bool explained = false;          ///< `error` says it all: it was not about looking up a name
    bool unfit = false;              ///< what would be there can surely not be used
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
  /// `transport` speaks TLS.
  bool secure = false;
  /// Without TLS, for probes: nothing else may go over it.
  TransportFactory plain_transport{};
  /// Whether a port that gives no answer may be asked in another way what it is.
  bool may_probe = false;

  /// libuv's sockets and resolver, TLS over them if the options ask for it, and randomness from the
  /// system. `loop` must outlive all of it.
  static Seams real(runtime::EventLoop& loop, const ConnectionOptions& options);
};

}  // namespace mx_rmq::redis
