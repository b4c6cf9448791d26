#pragma once

#include <string>
#include <string_view>

#include "redis/connection/tls/tls_handles.hpp"
#include "redis/connection/tls/tls_options.hpp"

namespace mx_rmq::redis {

/// What is wrong with a certificate, as OpenSSL found it: which one, why, what to do.
struct TlsVerdict {
  long code = 0;            ///< X509_V_ERR_...; 0: nothing
  int depth = 0;            ///< 0: the server's own
  std::string certificate;  ///< its subject
  std::string issuer;
  std::string from, until;  ///< when it is valid
  std::string names;        ///< whom it is for: "DNS:a, IP:1.2.3.4"

  /// Of the certificate that `store` is at.
  static TlsVerdict of(x509_store_ctx_st* store);
};

/// As the text of an error. `name` is whom the certificate should have named.
[[nodiscard]] std::string describe(const TlsVerdict& verdict, const std::string& name,
                                   const TlsOptions& options);

/// What ended a handshake or a connection, from the error that OpenSSL put last into its queue,
/// which this empties; an alert of the server in words, with what to do.
[[nodiscard]] std::string describe_failure();

/// OpenSSL's error queue as it is, which this empties: "no start line; bad end line".
[[nodiscard]] std::string openssl_errors();

}  // namespace mx_rmq::redis
