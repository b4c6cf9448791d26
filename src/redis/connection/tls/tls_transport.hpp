#pragma once

#include "redis/connection/seams.hpp"
#include "redis/connection/tls/tls_options.hpp"

namespace mx_rmq::runtime {
class EventLoop;
}

namespace mx_rmq::redis {

/// Makes transports that speak TLS over those of `plain`. They share what the options say, read
/// anew when a file has changed, and sessions. There is no way from one of them to an unencrypted
/// connection. The loop must outlive it. Throws ConfigError where TLS is not built in.
[[nodiscard]] Seams::TransportFactory over_tls(runtime::EventLoop& loop, const TlsOptions& options,
                                               Seams::TransportFactory plain);

}  // namespace mx_rmq::redis
