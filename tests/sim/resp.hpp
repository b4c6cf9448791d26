// The bytes between client and server, seen from the server.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "mini_redis.hpp"

namespace mx_rmq::sim {

// Commands out of the bytes as they come. Throws std::runtime_error for what is no array of
// strings.
class RequestReader {
 public:
  void feed(std::string_view bytes) { buffer_ += bytes; }
  std::optional<Arguments> next();
  std::size_t waiting() const noexcept { return buffer_.size() - at_; }

 private:
  std::string buffer_;
  std::size_t at_ = 0;
};

void append_reply(std::string& out, const Value& value);
// What a blocking command that came to nothing is answered.
inline constexpr std::string_view nil_array = "*-1\r\n";

}  // namespace mx_rmq::sim
