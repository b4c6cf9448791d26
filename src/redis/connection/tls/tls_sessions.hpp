#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>

#include "redis/connection/tls/tls_handles.hpp"

namespace mx_rmq::redis {

/// The TLS sessions of a client, to make later handshakes with the same server short. A few of each
/// server, the newest first. Loop thread only.
class TlsSessions {
 public:
  /// Who brought a session: a connection, by a number of its own.
  using Owner = std::uint64_t;

  /// One to begin with; nullptr if there is none. Those of TLS 1.3 are given out once.
  [[nodiscard]] TlsSessionPtr take(const std::string& server);
  void keep(const std::string& server, TlsSessionPtr session, Owner owner);
  /// The connection ended without a goodbye: what it brought is not to be used any more.
  void forget(const std::string& server, Owner owner) noexcept;
  void clear() noexcept { servers_.clear(); }
  [[nodiscard]] std::size_t size() const noexcept;

 private:
  struct Entry {
    TlsSessionPtr session;
    Owner owner;
  };
  std::unordered_map<std::string, std::deque<Entry>> servers_;
};

}  // namespace mx_rmq::redis
