// Sentinels, and Clusters, that speak TLS only: with clients and with each other.
#pragma once

#include "support/redis_cluster.hpp"
#include "support/sentinel_set.hpp"
#include "support/tls_files.hpp"

namespace mx_rmq::test {

// The options with TLS, by the certificates that are common to the tests; `files`, which gets them,
// must live as long as the servers. ca.pem there is what a client needs.
SentinelOptions over_tls(const TlsFiles& files, SentinelOptions options);
ClusterOptions over_tls(const TlsFiles& files, ClusterOptions options);

}  // namespace mx_rmq::test
