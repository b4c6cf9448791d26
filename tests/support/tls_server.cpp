#include "support/tls_server.hpp"

#include <utility>

namespace mx_rmq::test {

TlsServer::TlsServer(TlsServerOptions options) {
  const Certificate& client = CommonCertificates::get().client;
  files_.write("ca.pem", options.authority.pem());
  files_.write("server.pem", options.certificate.pem());
  files_.write("server.key", options.certificate.key_pem());
  files_.write("client.pem", client.pem());
  files_.write("client.key", client.key_pem());
  RedisOptions redis = std::move(options.redis);
  redis.tcp = true;
  redis.tls = true;
  redis.config.push_back("tls-cert-file " + files_.path() + "/server.pem");
  redis.config.push_back("tls-key-file " + files_.path() + "/server.key");
  redis.config.push_back("tls-ca-cert-file " + files_.path() + "/ca.pem");
  redis.config.push_back(std::string("tls-auth-clients ") +
                         (options.wants_certificate ? "yes" : "no"));
  if (!options.protocols.empty()) {
    redis.config.push_back("tls-protocols \"" + options.protocols + "\"");
  }
  if (!options.session_caching) redis.config.push_back("tls-session-caching no");
  redis_ = std::make_unique<RedisServer>(std::move(redis));
}

void TlsServer::lead_here(MQConfig& config) const {
  config.redis_url = url();
  config.tls_ca_file = ca_file();
}

void TlsServer::rotate(const Certificate& certificate) {
  files_.write("server.pem", certificate.pem());
  files_.write("server.key", certificate.key_pem());
  // It reads them when one of these is set.
  redis_->command({"CONFIG", "SET", "tls-cert-file", files_.path() + "/server.pem"});
}

}  // namespace mx_rmq::test
