#include "redis/wire/info.hpp"

#include <cstddef>

namespace mx_rmq::redis {

std::optional<std::string_view> info_field(std::string_view text, std::string_view name) noexcept {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.size() > name.size() && line.starts_with(name) && line[name.size()] == ':') {
      return line.substr(name.size() + 1);
    }
  }
  return std::nullopt;
}

}  // namespace mx_rmq::redis
