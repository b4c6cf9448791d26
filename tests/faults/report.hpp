// The results of fault tests: a row each on stdout, and a line of JSON each in the file that
// $MX_RMQ_FAULTS_REPORT names, from which docs/reliability.md has its table.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "faults/checker.hpp"

namespace mx_rmq::faults {

// `server_info`: the server's answer to INFO server.
void report(const std::string& name, const Verdict& verdict, std::uint64_t seed,
            const std::string& server_info, std::chrono::milliseconds took);

}  // namespace mx_rmq::faults
