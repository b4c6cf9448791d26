#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "redis/connection/tls/tls_handles.hpp"
#include "redis/connection/tls/tls_options.hpp"

namespace mx_rmq::redis {

/// OpenSSL's settings for new connections, made of the files that the options name. They are made
/// anew when one of the files has changed, so that a certificate can be replaced while the program
/// runs. Loop thread only.
class TlsContext {
 public:
  explicit TlsContext(TlsOptions options);

  /// For the next connection. TlsError if a file cannot be used, naming it and what to do.
  [[nodiscard]] const TlsContextPtr& current();
  /// What `current` returned last; nullptr before.
  [[nodiscard]] const TlsContextPtr& latest() const noexcept { return context_; }
  /// One more each time that `current` had to be made.
  [[nodiscard]] std::uint64_t generation() const noexcept { return generation_; }
  [[nodiscard]] const TlsOptions& options() const noexcept { return options_; }

 private:
  /// What tells that a file is another one than before.
  struct Stamp {
    bool there = false;
    std::uint64_t device = 0, inode = 0, size = 0;
    std::int64_t modified_ns = 0, changed_ns = 0;
    friend bool operator==(const Stamp&, const Stamp&) = default;
  };
  [[nodiscard]] std::vector<Stamp> stamps() const;
  static Stamp stamp(const std::string& path);

  const TlsOptions options_;
  std::vector<std::string> files_;
  std::vector<Stamp> stamps_;
  TlsContextPtr context_;
  std::uint64_t generation_ = 0;
};

/// Whom `options` trust, for the text of an error: "tls_ca_file /etc/ca.pem".
[[nodiscard]] std::string trusted_by(const TlsOptions& options);

}  // namespace mx_rmq::redis
