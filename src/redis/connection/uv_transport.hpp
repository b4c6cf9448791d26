#pragma once

#include <array>
#include <memory>

#include "redis/connection/options.hpp"
#include "redis/connection/transport.hpp"

namespace mx_rmq::runtime {
class EventLoop;
}

namespace mx_rmq::redis {

/// A socket of libuv: TCP or a unix socket. The handle lives until libuv has closed it, the
/// transport perhaps shorter. The loop must outlive both.
class UvTransport final : public Transport {
 public:
  /// Where reads go before they are told; one for all transports of a loop.
  using ReadBuffer = std::array<char, std::size_t{64} << 10>;

  UvTransport(runtime::EventLoop& loop, TransportEvents& events,
              std::shared_ptr<ReadBuffer> read_buffer, const ConnectionOptions& options);
  ~UvTransport() override;

  void connect(const Address& address) override;
  std::size_t write(std::span<const SharedBytes> buffers, std::size_t skip) override;
  void close() override;

 private:
  struct Socket;
  std::shared_ptr<Socket> socket_;
};

}  // namespace mx_rmq::redis
