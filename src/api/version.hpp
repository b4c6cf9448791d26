#pragma once

namespace mx_rmq::api {

/// The library's own; CMakeLists.txt has the same, and sees to that.
inline constexpr const char* library_version = "0.1.0";

}  // namespace mx_rmq::api
