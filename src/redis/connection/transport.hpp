#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "redis/wire/command.hpp"

namespace mx_rmq::redis {

/// One place to connect to: a numeric IP address and a port, or the path of a unix socket.
struct Address {
  bool local = false;
  std::string host;  ///< numeric address, or path
  int port = 0;
  /// The host as the user named it, from which this was looked up: whom a certificate must name.
  std::string name{};

  [[nodiscard]] std::string text() const;
  friend bool operator==(const Address&, const Address&) = default;
};

/// What a transport tells its owner. On the loop thread, perhaps inside a C callback: it must not
/// throw, and must not resume a coroutine. Never called from inside a call of the owner's.
class TransportEvents {
 public:
  /// Of a transport that speaks TLS: the other end is reached, and the handshake begins.
  virtual void on_securing() noexcept {}
  /// The connection may be used; with TLS, the other end is who it should be.
  virtual void on_connected() noexcept = 0;
  virtual void on_bytes(std::string_view bytes) noexcept = 0;
  /// After `write` took less than it was given: it may be called again.
  virtual void on_writable() noexcept = 0;
  /// Connecting failed or the connection ended; the last event.
  virtual void on_lost(std::string_view why) noexcept = 0;
  /// Of a transport that speaks TLS: there is somebody, and no connection with whom may be used. In
  /// place of on_lost.
  virtual void on_untrusted(std::string_view why) noexcept { on_lost(why); }

 protected:
  ~TransportEvents() = default;
};

/// A byte stream, used for one connection. Loop thread only. Destroying it closes it, and no event
/// comes afterwards.
class Transport {
 public:
  virtual ~Transport() = default;
  virtual void connect(const Address& address) = 0;
  /// Takes bytes from the front of `buffers`, after `skip` bytes of the first. Returns how many it
  /// took: all of those count as perhaps sent, the others surely were not. Keeps what it took
  /// alive.
  virtual std::size_t write(std::span<const SharedBytes> buffers, std::size_t skip) = 0;
  /// Closes at once; no event comes afterwards.
  virtual void close() = 0;
};

}  // namespace mx_rmq::redis
