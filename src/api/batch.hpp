#pragma once

#include "mx_rmq/config.hpp"

/// How many messages a call of a script moves at most, where that is left to the library. More make
/// calls longer, during which Redis serves nobody else, and hardly cheaper.
namespace mx_rmq::api {

/// Of a claim. So many are asked for only where handlers are as fast as that.
[[nodiscard]] inline int claim_batch_of(const MQConfig& config) noexcept {
  return config.batch_size == MQConfig::automatic ? 500 : config.batch_size;
}
/// Of any other call.
[[nodiscard]] inline int batch_of(const MQConfig& config) noexcept {
  return config.batch_size == MQConfig::automatic ? 100 : config.batch_size;
}

}  // namespace mx_rmq::api
