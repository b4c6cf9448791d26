#include "broker/data/random_id.hpp"

#include <cstdint>

#include "redis/connection/seams.hpp"

namespace mx_rmq::broker {

std::string random_id(redis::Rng& rng) {
  static constexpr char hex[] = "0123456789abcdef";
  std::string out;
  for (int word = 0; word < 2; ++word) {
    std::uint64_t bits = rng.next();
    for (int i = 0; i < 16; ++i, bits >>= 4) out += hex[bits & 15];
  }
  return out;
}

}  // namespace mx_rmq::broker
