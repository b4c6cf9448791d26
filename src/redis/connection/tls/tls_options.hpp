#pragma once

#include <string>

namespace mx_rmq::redis {

/// What TLS trusts and how it shows itself. The files are looked at again for each connection.
struct TlsOptions {
  std::string ca_file;      ///< PEM: whom to trust
  std::string ca_dir;       ///< the same, as a hashed directory; both empty: whom the system trusts
  std::string cert_file;    ///< PEM: our own certificate and its chain; empty: none
  std::string key_file;     ///< PEM: its key; empty: it is in cert_file
  std::string server_name;  ///< whom the certificate must name; empty: the host of the address
  bool verify = true;       ///< false: anybody is trusted
};

}  // namespace mx_rmq::redis
