#include "api/tls_built_in.hpp"

namespace mx_rmq::api {

bool tls_built_in() noexcept {
#ifdef MX_RMQ_WITH_TLS
  return true;
#else
  return false;
#endif
}

}  // namespace mx_rmq::api
