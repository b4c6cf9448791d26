#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "redis/connection/seams.hpp"
#include "redis/connection/transport.hpp"
#include "runtime/event_loop.hpp"

namespace mx_rmq::redis {

/// Finds out whether a port that ends connections without a word speaks TLS: says hello as a TLS
/// client would, over a connection of its own, and looks at the first bytes of the answer. (A Redis
/// takes the hello for the beginning of a line, and waits.) Loop thread only; may be destroyed at
/// any time.
class TlsProbe final : private TransportEvents {
 public:
  /// `done` is called once, within about a second, perhaps inside a C callback: it must not throw,
  /// nor destroy the probe.
  TlsProbe(runtime::EventLoop& loop, const Seams& seams, const Address& address,
           std::function<void(bool speaks_tls)> done);
  ~TlsProbe();
  TlsProbe(const TlsProbe&) = delete;
  TlsProbe& operator=(const TlsProbe&) = delete;

  [[nodiscard]] bool over() const noexcept { return done_ == nullptr; }

 private:
  void on_connected() noexcept override;
  void on_bytes(std::string_view bytes) noexcept override;
  void on_writable() noexcept override {}
  void on_lost(std::string_view why) noexcept override;
  void end(bool speaks_tls) noexcept;

  runtime::EventLoop& loop_;
  std::function<void(bool)> done_;
  std::unique_ptr<Transport> transport_;
  runtime::TimerId timer_;
};

}  // namespace mx_rmq::redis
