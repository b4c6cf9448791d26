#pragma once

#include <cstddef>

#include "mx_rmq/config.hpp"
#include "redis/connection/options.hpp"

namespace mx_rmq::queue {

/// How a client of `lanes` connections is made from a configuration.
[[nodiscard]] redis::ClientOptions client_options(const MQConfig& config, std::size_t lanes);

}  // namespace mx_rmq::queue
