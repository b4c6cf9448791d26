#pragma once

#include <string>

namespace mx_rmq::redis {
class Rng;
}

namespace mx_rmq::broker {

/// 128 random bits in hex: the name of a producer or a consumer.
[[nodiscard]] std::string random_id(redis::Rng& rng);

}  // namespace mx_rmq::broker
