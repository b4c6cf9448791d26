#include "support/tls_server.hpp"

#include <utility>

namespace mx_rmq::test {

std::vector<std::string> tls_config(const TlsFiles& files, const Certificate& certificate,
                                    const Certificate& authority) {
  const Certificate& client = CommonCertificates::get().client;
  files.write("client.pem", client.pem());
  files.write("client.key", client.key_pem());
  return {"tls-cert-file " + files.write("server.pem", certificate.pem()),
          "tls-key-file " + files.write("server.key", certificate.key_pem()),
          "tls-ca-cert-file " + files.write("ca.pem", authority.pem())};
}

TlsServer::TlsServer(TlsServerOptions options) {
  RedisOptions redis = std::move(options.redis);
  redis.tcp = true;
  redis.tls = true;
  for (std::string& line : tls_config(files_, options.certificate, options.authority)) {
    redis.config.push_back(std::move(line));
  }
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
