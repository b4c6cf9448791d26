#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "redis/connection/seams.hpp"
#include "redis/connection/transport.hpp"
#include "runtime/event_loop.hpp"

namespace mx_rmq::redis {

/// Finds out whether a port that gives no answer speaks the other way of the two, TLS or not: says
/// a word in that way, over a connection of its own, and looks at the first bytes of the answer.
/// (A Redis takes the hello of TLS for the beginning of a line, and waits.) What it says holds no
/// secret. Loop thread only; may be destroyed at any time.
class PortProbe final : private TransportEvents {
 public:
  enum class Question : std::uint8_t {
    speaks_tls,   ///< said: the hello of TLS
    speaks_plain  ///< said: PING
  };

  /// `plain` makes transports without TLS. `done` is called once, within about a second, perhaps
  /// inside a C callback: it must not throw, nor destroy the probe.
  PortProbe(runtime::EventLoop& loop, const Seams::TransportFactory& plain, const Address& address,
            Question question, std::function<void(bool yes)> done);
  ~PortProbe();
  PortProbe(const PortProbe&) = delete;
  PortProbe& operator=(const PortProbe&) = delete;

  [[nodiscard]] bool over() const noexcept { return done_ == nullptr; }

 private:
  void on_connected() noexcept override;
  void on_bytes(std::string_view bytes) noexcept override;
  void on_writable() noexcept override {}
  void on_lost(std::string_view why) noexcept override;
  void end(bool yes) noexcept;

  runtime::EventLoop& loop_;
  const Question question_;
  std::function<void(bool)> done_;
  std::unique_ptr<Transport> transport_;
  runtime::TimerId timer_;
};

}  // namespace mx_rmq::redis
