// A redis-server of a test's own that speaks TLS, with certificates made for it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "mx_rmq/config.hpp"
#include "support/certificates.hpp"
#include "support/redis_server.hpp"
#include "support/tls_files.hpp"

namespace mx_rmq::test {

struct TlsServerOptions {
  RedisOptions redis = {};
  // Its certificate; the authority is what it trusts itself, and what clients should.
  Certificate certificate = CommonCertificates::get().server;
  Certificate authority = CommonCertificates::get().authority;
  bool wants_certificate = false;  // of its clients
  std::string protocols = "";      // "TLSv1.2"; empty: as it likes
  bool session_caching = true;
};

// Writes the files of a server with this certificate, which trusts that authority, and those that a
// client needs; returns what the server's configuration says of them.
std::vector<std::string> tls_config(const TlsFiles& files, const Certificate& certificate,
                                    const Certificate& authority);

// Its plain unix socket is there for the test itself: commands, MONITOR. Files are in a directory
// of its own, and gone with it.
class TlsServer {
 public:
  explicit TlsServer(TlsServerOptions options = {});

  RedisServer& redis() noexcept { return *redis_; }
  int port() const noexcept { return redis_->port(); }
  // rediss://127.0.0.1:port, with the password if there is one.
  std::string url() const { return redis_->tcp_url(); }

  // The files that a client needs.
  std::string ca_file() const { return files_.path() + "/ca.pem"; }
  std::string client_cert_file() const { return files_.path() + "/client.pem"; }
  std::string client_key_file() const { return files_.path() + "/client.key"; }
  // A configuration that leads here and trusts it.
  void lead_here(MQConfig& config) const;
  // For files of the test's own beside them.
  const TlsFiles& files() const noexcept { return files_; }

  // From now on it shows another certificate.
  void rotate(const Certificate& certificate);

 private:
  TlsFiles files_;  // made before the server, gone after it
  std::unique_ptr<RedisServer> redis_;
};

}  // namespace mx_rmq::test
