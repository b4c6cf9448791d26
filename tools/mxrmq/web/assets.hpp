#pragma once

#include <string_view>

namespace mxrmq::web {

/// A file of the page, which is in the program.
struct Asset {
  const char* path;
  const char* type;
  std::string_view bytes;
};

/// "/" is the page; null if there is no such file.
[[nodiscard]] const Asset* find_asset(std::string_view path) noexcept;

}  // namespace mxrmq::web
