#include "support/tls_sets.hpp"

#include <string>
#include <vector>

#include "support/certificates.hpp"
#include "support/tls_server.hpp"

namespace mx_rmq::test {
namespace {

std::vector<std::string> common(const TlsFiles& files) {
  const CommonCertificates& certificates = CommonCertificates::get();
  std::vector<std::string> lines = tls_config(files, certificates.server, certificates.authority);
  lines.push_back("tls-auth-clients no");
  return lines;
}

void append(std::vector<std::string>& to, const std::vector<std::string>& lines) {
  to.insert(to.end(), lines.begin(), lines.end());
}

}  // namespace

SentinelOptions over_tls(const TlsFiles& files, SentinelOptions options) {
  const std::vector<std::string> lines = common(files);
  options.tls = true;
  append(options.server_config, lines);
  append(options.sentinel_config, lines);
  return options;
}

ClusterOptions over_tls(const TlsFiles& files, ClusterOptions options) {
  options.node.tls = true;
  append(options.node.config, common(files));
  return options;
}

}  // namespace mx_rmq::test
